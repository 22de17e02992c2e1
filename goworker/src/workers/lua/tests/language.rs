//! Scripts as people write them for Lua 5.1 to 5.4.

use super::{outcome, output};

#[tokio::test]
async fn ordinary_lua_runs() {
    for (script, expected) in [
        ("#!/usr/bin/env lua\nreturn 1", "1"),
        ("return load('return 1 + 1')()", "2"),
        ("return load('return x', 'chunk', 't', { x = 5 })()", "5"),
        ("x = 4 return load('return x')()", "4"),
        ("local parts, i = { 'return ', '7' }, 0 return load(function() i = i + 1 return parts[i] end)()", "7"),
        ("local f, why = load('return (') return f == nil and type(why)", "\"string\""),
        ("return select('#', unpack({ 1, 2, 3 })) + select('#', table.unpack({ 1, 2 }))", "5"),
        ("return 7 // 2", "3"),
        ("return table.move({ 1, 2, 3 }, 1, 3, 2)", "[1,1,2,3]"),
        ("return utf8.char(228) .. utf8.len('äöü')", "\"ä3\""),
        ("return { type(os.time()), type(os.clock()), #os.date('%Y') , os.date('!%Y-%m-%d', 0) }", r#"["number","number",4,"1970-01-01"]"#),
        ("return string.format('%d %5.2f %s', 3, 1.5, {} ~= nil)", "\"3  1.50 true\""),
        ("return math.type(3) .. math.type(3.5) .. tostring(math.type('x'))", "\"integerfloatnil\""),
        ("return ('a,b,c'):gsub(',', ';')", "\"a;b;c\""),
        ("local t = setmetatable({}, { __index = function(_, k) return k .. '!' end }) return t.hi", "\"hi!\""),
        ("local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return { co(1), co(10) }", "[2,20]"),
        ("return { pcall(error, 'x') }", r#"[false,"x"]"#),
        ("return { xpcall(function() error('x', 0) end, function(e) return e .. '!' end) }", r#"[false,"x!"]"#),
        ("return ('x'):rep(100):find(('x'):rep(50), 10, true)", "10"),
        ("return { string.find('a.b', '.', 1, true) }", "[2,2]"),
        ("return tostring(string.find('abc', ('z'):rep(40), 1, true))", "\"nil\""),
        ("print = function() return 'mine' end return print()", "\"mine\""),
    ] {
        assert_eq!(output(script, "{}").await, expected, "{script}");
    }
}

#[tokio::test]
async fn what_luau_lacks_is_told_with_the_way_to_write_it() {
    for (script, hint) in [
        ("goto done\n::done::", "Luau has no `goto`; write a loop with `continue` or `break`, or a function with `return`"),
        ("local x <const> = 1", "Luau has no `<const>`; write `local name = value`"),
        ("local x <close> = nil", "Luau has no `<close>`; close it by a call, after a `pcall` around what may fail"),
        ("local x = 1 & 2", "Luau has no `&`; write `bit32.band(a, b)`"),
        ("local x = 1 | 2", "Luau has no `|`; write `bit32.bor(a, b)`"),
        ("local x = 1 ~ 2", "Luau has no `~`; write `bit32.bxor(a, b)`, or `bit32.bnot(a)`"),
        ("local x = 1 << 2", "Luau has no `<<`; write `bit32.lshift(a, n)`"),
        ("local x = 1 >> 2", "Luau has no `>>`; write `bit32.rshift(a, n)`"),
    ] {
        let shown = outcome(&format!("-- first line\n{script}"), "{}").await;
        assert!(shown.starts_with("failed: scripts/test.lua:2: ") && shown.ends_with(hint), "{script}: {shown}");
    }
}

#[tokio::test]
async fn what_leaves_the_sandbox_is_not_there() {
    for name in [
        "loadstring",
        "getfenv",
        "setfenv",
        "newproxy",
        "collectgarbage",
        "gcinfo",
        "dofile",
        "loadfile",
        "io",
        "package",
        "os.execute",
        "os.exit",
        "os.getenv",
        "os.remove",
        "debug.info",
        "string.dump",
    ] {
        assert_eq!(output(&format!("return type({name})"), "{}").await, "\"nil\"", "{name}");
    }
    assert_eq!(output("local f, why = load('\\27Lua') return f == nil", "{}").await, "true");
}
