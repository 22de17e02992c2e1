//! Which kinds a program has: those that are linked, or those that it names.

use std::path::Path;

use goworker::config::Config;
use goworker::{Registration, Registry, Role, Stability};
use goworker_tests::daemon::Sandbox;

use super::{Automatic, Nothing};

goworker::plugins![alone, renamed];

fn kinds(registry: &Registry) -> Vec<&'static str> {
    registry.providers().chain(registry.workers()).map(|registration| registration.kind).collect()
}

#[test]
fn a_plugin_of_another_crate_is_found_however_hidden_it_is() {
    let registry = Registry::linked();
    let stamp = registry.worker("stamp").unwrap();
    assert_eq!((stamp.role, stamp.origin.crate_name), (Role::Worker, "alone"));
    let config = |worker: &str| {
        let ron = format!("(providers: {{ \"jobs\": memory() }}, workers: {{ \"it\": {worker} }})");
        Config::parse(&ron, Path::new("jobs.ron"), &registry).map(drop).map_err(|report| report.render(false))
    };
    assert_eq!(config("stamp(glue: hinge)"), Ok(()));
    assert!(config("stamp(glue: spit)").unwrap_err().contains("spit"));
}

#[test]
fn a_crate_may_call_goworker_something_else() {
    let registry = Registry::linked();
    assert_eq!(registry.worker("parrot").unwrap().origin.crate_name, "renamed");
    assert_eq!(registry.provider("drought").unwrap().origin.crate_name, "renamed");
}

#[test]
fn a_registration_tells_the_params_the_age_and_the_stability_of_its_kind() {
    let registry = Registry::linked();
    let facts = |registration: &Registration| (registration.since, registration.stability, (registration.params)());
    let (since, stability, params) = facts(registry.worker("stamp").unwrap());
    assert_eq!((since, stability), (Some("0.1.0"), Stability::Experimental));
    insta::assert_json_snapshot!(params);
    assert_eq!(facts(registry.worker("parrot").unwrap()), (Some("0.1.0"), Stability::Stable, None));
    assert_eq!(facts(registry.worker("resize").unwrap()), (None, Stability::Stable, None));
}

#[test]
fn a_registry_by_hand_has_what_was_put_in() {
    assert_eq!(kinds(&Registry::empty()), Vec::<&str>::new());
    let registry = Registry::empty().with_plugin::<Automatic>().with_plugin::<Nothing>().with_plugin::<renamed::Parrot>();
    assert_eq!(kinds(&registry), ["nothing_at_all", "automatic", "parrot"]);
    assert!(registry.duplicates().is_empty());
    assert_eq!(registry.with_plugin::<Automatic>().duplicates().len(), 1);
}

#[test]
fn what_goworker_has_itself_is_there_without_what_is_linked() {
    let builtin = Registry::builtin();
    assert!(builtin.worker("lua").is_some() && builtin.provider("memory").is_some());
    assert!(builtin.worker("automatic").is_none() && builtin.worker("stamp").is_none());
}

#[test]
fn the_command_line_knows_the_kinds_of_its_registry_and_no_others() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_goworker-chosen"));
    sandbox.write("jobs.ron", "(providers: { \"jobs\": memory() }, workers: { \"a\": noop(), \"b\": parrot() })");
    assert_eq!(sandbox.run(["check", "jobs.ron"]).status.code(), Some(0));
    assert_eq!(sandbox.run(["run", "jobs.ron", "--until-idle"]).status.code(), Some(0));
    // Linked, and not named.
    sandbox.write("linked.ron", "(providers: { \"jobs\": memory() }, workers: { \"a\": scripted() })");
    let checked = sandbox.run(["check", "linked.ron"]);
    assert_eq!(checked.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("there is no worker kind `scripted`"));
    let described = sandbox.run(["describe", "scripted"]);
    assert!(!described.status.success());
    let listed = String::from_utf8(sandbox.run(["list"]).stdout).unwrap();
    assert!(listed.contains("parrot") && listed.contains("lua") && !listed.contains("scripted"), "{listed}");
}
