//! What a script can get hold of.

use std::rc::Rc;

use goworker::Clock;
use mlua::{MultiValue, Value};

use super::super::error;
use super::super::ticker::Ticker;
use super::super::watch::Watch;
use super::{Plan, Vm};

/// What is reachable is what this snapshot lists, and nothing of it can be written. A change of it is a change of what
/// scripts may do.
#[test]
fn a_script_reaches_what_is_listed_and_nothing_else() {
    let plan = Plan { scripts: "scripts".into(), memory: 64 << 20, cpu: None, clock: Clock::system() };
    let ticker = Ticker::start().unwrap();
    let vm = Vm::new(&plan, &Rc::new(Watch::new(ticker.flag().0))).unwrap();
    let lua = &vm.lua;
    let roots = lua.create_table().unwrap();
    let own = lua.create_table().unwrap();
    let root = |name: &str, value: Value| {
        roots.raw_push(lua.create_sequence_from([Value::String(lua.create_string(name).unwrap()), value]).unwrap())
    };
    root("globals", vm.inherit.get("__index").unwrap()).unwrap();
    let values = lua.load("return getmetatable(''), json.null, json.array(), json.decode('18446744073709551615')");
    let mut values: MultiValue = values.call(()).unwrap();
    let ending = error::Ending::Discard("x".to_owned());
    values.push_back(Value::UserData(lua.create_userdata(ending).unwrap()));
    for (name, value) in ["text<metatable>", "null", "array", "integer", "ending"].into_iter().zip(values) {
        if let (Value::Table(table), "array") = (&value, name) {
            own.raw_set(table, true).unwrap();
        }
        root(name, value).unwrap();
    }
    let walk = lua.load(include_str!("reachable.luau"));
    let reached: String = walk.call((roots, own)).unwrap();
    insta::assert_snapshot!(reached);
}
