//! `new config`: a complete configuration with every setting of some kinds. What has a default is commented out.

use crate::cli::describe::{Setting, find, settings};
use crate::cli::fault::Fault;
use crate::cli::ron_text::RonText;
use crate::cli::terminal;
use crate::config::{common_settings, top_level};
use crate::registry::{Registration, Registry, Role, Stability};
use crate::settings::to_json;

/// Print a complete, commented configuration with these kinds of providers and workers
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every setting is there: those with a default are commented out, those that have to be given have a value to start from.

Examples:
  goworker new config > config.ron                  a queue, an inbox and three workers
  goworker new config sqlite lua file > config.ron  with these kinds only; `goworker list` shows all
  goworker check config.ron")]
pub(super) struct NewConfig {
    /// The kinds; without any, those that most people begin with
    #[arg(value_name = "KIND")]
    kinds: Vec<String>,
}

impl NewConfig {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let chosen = Chosen::of(registry, &self.kinds).map_err(Fault::Failed)?;
        terminal::print(&chosen.config())
    }
}

/// What most people begin with.
const USUAL: [&str; 5] = ["sqlite", "folder", "lua", "cli", "file"];
/// What is added where nothing was chosen: a queue, and a worker.
const LEAST: [&str; 2] = ["sqlite", "lua"];

/// The kinds that go into a configuration.
struct Chosen<'a> {
    /// Queues first.
    providers: Vec<&'a Registration>,
    workers: Vec<&'a Registration>,
}

impl<'a> Chosen<'a> {
    fn of(registry: &'a Registry, names: &[String]) -> Result<Self, String> {
        let mut chosen = Chosen { providers: Vec::new(), workers: Vec::new() };
        if names.is_empty() {
            USUAL.iter().filter_map(|name| find(registry, name).ok()).flatten().for_each(|kind| chosen.add(kind));
        }
        for name in names {
            find(registry, name)?.into_iter().for_each(|kind| chosen.add(kind));
        }
        let [queue, worker] = LEAST;
        if chosen.providers.iter().all(|kind| kind.role != Role::Queue) {
            registry.provider(queue).into_iter().for_each(|kind| chosen.add(kind));
        }
        if chosen.workers.is_empty() {
            registry.worker(worker).into_iter().for_each(|kind| chosen.add(kind));
        }
        chosen.providers.sort_by_key(|kind| kind.role != Role::Queue);
        Ok(chosen)
    }

    fn add(&mut self, kind: &'a Registration) {
        let kinds = if kind.role.is_provider() { &mut self.providers } else { &mut self.workers };
        if kinds.iter().all(|known| known.kind != kind.kind) {
            kinds.push(kind);
        }
    }

    fn config(&self) -> String {
        let mut page = Page::default();
        page.ron.comment(0, "A setting behind `//` has that value anyway; or it has none, and this is an example.");
        page.ron.comment(0, "`goworker describe KIND` says more about a kind, `goworker check FILE` tells all mistakes.");
        page.ron.line(0, "(");
        page.ron.comment(1, "Where jobs come from.");
        page.ron.line(1, "providers: {");
        let queue = self.providers.first().filter(|kind| kind.role == Role::Queue);
        for kind in &self.providers {
            let is_first = queue.is_some_and(|queue| queue.kind == kind.kind);
            page.entry(if is_first { QUEUE } else { kind.kind }, kind, queue.is_some());
        }
        page.ron.line(1, "},");
        page.ron.gap();
        page.ron.comment(1, "What runs them. The name is the job type that it runs.");
        page.ron.line(1, "workers: {");
        self.workers.iter().for_each(|kind| page.entry(kind.kind, kind, queue.is_some()));
        page.ron.line(1, "},");
        for setting in settings(&top_level()) {
            page.ron.gap();
            page.setting(1, &setting, true);
        }
        page.ron.line(0, ")");
        page.ron.into_text()
    }
}

/// The name of the first queue.
const QUEUE: &str = "jobs";

/// The text of a configuration while it is written.
#[derive(Default)]
struct Page {
    ron: RonText,
    /// The roles whose common settings were explained.
    explained: Vec<Role>,
}

impl Page {
    /// `has_queue`: sources put their jobs into it.
    fn entry(&mut self, name: &str, kind: &Registration, has_queue: bool) {
        self.ron.comment(2, kind.doc);
        if kind.stability != Stability::Stable {
            self.ron.comment(2, &format!("This kind is {}.", kind.stability));
        }
        self.ron.line(2, &format!("\"{name}\": {}(", kind.kind));
        for setting in settings(&(kind.fields)()) {
            self.setting(3, &setting, true);
        }
        let explain = !self.explained.contains(&kind.role);
        self.explained.push(kind.role);
        for mut setting in settings(&common_settings(kind.role)) {
            // A source without a queue would run its jobs directly, which nobody wants who has one.
            if setting.name == "into" && has_queue {
                setting.default = None;
            }
            self.setting(3, &setting, explain);
        }
        self.ron.line(2, "),");
    }

    fn setting(&mut self, depth: usize, setting: &Setting, explain: bool) {
        let Setting { name, default, range, doc, example, .. } = setting;
        if explain {
            let range = range.map(|range| format!(" ({range})")).unwrap_or_default();
            self.ron.comment(depth, &format!("{doc}{range}"));
        }
        match default.as_deref() {
            None => self.ron.line(depth, &format!("{name}: {example},")),
            Some(default) if default != "None" && to_json(default).is_some() => self.ron.line(depth, &format!("//{name}: {default},")),
            // There is nothing to be written that would say the same.
            Some(_) => self.ron.line(depth, &format!("//{name}: {example},")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, config_schema};
    use crate::settings::Report;

    fn written(registry: &Registry, kinds: &[&str]) -> String {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        Chosen::of(registry, &kinds).map(|chosen| chosen.config()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// With all that is commented out taken in, and the queue that another may spill into.
    fn uncommented(config: &str) -> String {
        let is_setting = |line: &&str| line.trim_start().strip_prefix("//").is_some_and(|rest| !rest.starts_with(' '));
        assert!(config.lines().filter(is_setting).count() > 4);
        let uncommented = |line| if is_setting(&line) { line.replacen("//", "", 1) } else { line.to_owned() } + "\n";
        let whole: String = config.lines().map(uncommented).collect();
        let spills = whole.contains("into: \"local\"");
        if spills { whole.replacen("providers: {", "providers: { \"local\": sqlite(path: \"local.db\"),", 1) } else { whole }
    }

    fn check(registry: &Registry, config: &str) {
        let told = |report: &Report| format!("{}\n{config}", report.render(false));
        match Config::parse(config, Path::new("config.ron"), registry) {
            Ok(loaded) => assert_eq!(loaded.warnings.warnings(), 0, "{}", told(&loaded.warnings)),
            Err(report) => panic!("{}", told(&report)),
        }
        let json = to_json(config.trim_start_matches(|c| c != '(')).unwrap();
        let schema = jsonschema::draft202012::new(&config_schema(registry)).unwrap();
        let errors: Vec<String> = schema.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{json:#}");
    }

    #[test]
    fn the_usual_configuration_reads_well() {
        insta::assert_snapshot!(written(&Registry::builtin(), &[]));
    }

    #[test]
    fn every_kind_has_a_configuration_that_is_valid_with_and_without_its_defaults() {
        let registry = Registry::builtin();
        let kinds: Vec<&str> = registry.providers().chain(registry.workers()).map(|kind| kind.kind).collect();
        for chosen in kinds.iter().map(std::slice::from_ref).chain([kinds.as_slice(), &[]]) {
            let config = written(&registry, chosen);
            check(&registry, &config);
            check(&registry, &uncommented(&config));
        }
    }

    #[test]
    fn the_schema_refuses_what_the_configuration_refuses() {
        let schema = jsonschema::draft202012::new(&config_schema(&Registry::builtin())).unwrap();
        for wrong in [
            "(providers: { \"q\": sqlite() })",
            "(providers: { \"q\": sqlite(path: \"x\", pth: 1) })",
            "(providers: { \"q\": lua() })",
            "(providers: { \"a b\": memory })",
            "(providers: { \"q\": memory }, workers: { \"l\": lua(concurrency: 0) })",
            "(providers: { \"q\": memory }, workers: { \"l\": lua(retry: (backoff: fixed(3))) })",
            "(providers: { \"q\": memory }, workers: { \"l\": lua(poison: 0) })",
            "(providers: { \"q\": memory }, poison: 0)",
            "(workers: {})",
        ] {
            assert!(!schema.is_valid(&to_json(wrong).unwrap()), "{wrong}");
        }
        assert!(schema.is_valid(&to_json("(providers: { \"q\": memory })").unwrap()));
    }
}
