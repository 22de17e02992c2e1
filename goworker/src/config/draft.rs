//! One pass over a config that is RON: what it says, checked and put together.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::job::JobTemplate;
use crate::listener::{Address, is_address};
use crate::plugin::{AnyProvider, Plugin};
use crate::registry::{Registry, Role};
use crate::retry::RetryPolicy;
use crate::schedule::Schedule;
use crate::settings::{Notes, Reader, Secret, SourceText, Span, names_queue, suggest};
use crate::units::Dur;

use super::core_settings::{ProviderSettings, WorkerSettings, common_settings, home, read_poison, read_retry};
use super::outline::{Entries, Entry, Section};
use super::queues::stores_nothing;
use super::{AdminSettings, Config, ProviderEntry, QueueConfig, QueueEntry, Source, WorkerEntry, handlers};

/// A config while it is read.
pub(super) struct Draft<'a> {
    source: &'a SourceText<'a>,
    notes: &'a Notes,
    registry: &'a Registry,
}

/// All fields of a config.
const TOP_LEVEL: [&str; 7] = ["providers", "workers", "retry", "failure_handlers", "shutdown", "poison", "admin"];

/// What an entry is checked against: the other providers.
struct Around<'a, 'r> {
    draft: &'r Draft<'a>,
    providers: &'r Entries<'a>,
    queues: Vec<&'r str>,
    workers: &'r [String],
    has_handlers: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(source: &'a SourceText<'a>, notes: &'a Notes, registry: &'a Registry) -> Self {
        Draft { source, notes, registry }
    }

    /// The config, which is of no use if mistakes were noted.
    pub(super) fn read(&self) -> Config {
        let start = 0..1.min(self.source.text.len());
        let mut top = Reader::new(self.source, Rc::clone(self.notes), String::new(), start.clone(), self.source.text);
        for duplicate in self.registry.duplicates() {
            let help = "rename one of them with `name = \"..\"` in its attribute".to_owned();
            top.error("", start.clone(), duplicate.to_string(), Some(help));
        }
        let retry = read_retry(&mut top, &RetryPolicy::default());
        let poison = read_poison(&mut top).unwrap_or(3);
        let mut shutdown = top.block("shutdown");
        let grace = shutdown.given::<Dur>("grace").map_or(Duration::from_secs(30), Dur::get);
        shutdown.finish(&["grace"], home);

        let admin = read_admin(&mut top);

        let providers = Entries::read(self.source, &mut top, Section::Providers, self.registry);
        let workers = Entries::read(self.source, &mut top, Section::Workers, self.registry);
        let failure_handlers = handlers::read_handlers(self.source, &mut top, &workers.names);
        check_sections(&top, &providers, &workers);
        top.finish(&TOP_LEVEL, home);

        let queues = providers.of_role(Role::Queue).map(|entry| entry.name.as_str()).collect();
        let around =
            Around { draft: self, providers: &providers, queues, workers: &workers.names, has_handlers: !failure_handlers.is_empty() };
        Config {
            path: PathBuf::from(&self.source.name),
            base: self.source.base.clone(),
            providers: providers.entries.iter().filter_map(|entry| self.provider(entry, Some(&around))).collect(),
            workers: workers.entries.iter().filter_map(|entry| self.worker(entry, &retry, poison, &around)).collect(),
            failure_handlers,
            grace,
            poison,
            admin,
        }
    }

    /// The queues alone, which are of no use if mistakes in them were noted.
    pub(super) fn read_queues(&self) -> QueueConfig {
        // Kinds that this program does not have are not its business, unless there is nothing else.
        let elsewhere = Notes::default();
        let mut top = Reader::new(self.source, Rc::clone(&elsewhere), String::new(), 0..1.min(self.source.text.len()), self.source.text);
        let providers = Entries::read(self.source, &mut top, Section::Providers, self.registry);
        let queues: Vec<&Entry<'a>> = providers.of_role(Role::Queue).collect();
        self.hide_all_but(&queues);
        if queues.is_empty() {
            self.notes.borrow_mut().append(&mut elsewhere.borrow_mut());
        }
        let is_other = |name: &&String| queues.iter().all(|queue| queue.name != **name);
        let others = providers.names.iter().filter(is_other).map(|name| {
            let known = providers.entries.iter().find(|entry| entry.name == *name);
            let why = known.map_or("it is of a kind that this program does not have".to_owned(), |entry| stores_nothing(entry.kind));
            (name.clone(), why)
        });
        QueueConfig {
            path: PathBuf::from(&self.source.name),
            base: self.source.base.clone(),
            others: others.collect(),
            entries: queues.into_iter().filter_map(|entry| self.provider(entry, None).and_then(QueueEntry::of)).collect(),
        }
    }

    /// What is not read may be secret.
    fn hide_all_but(&self, entries: &[&Entry<'a>]) {
        let mut start = 0;
        for entry in entries {
            // The quote before a name begins no literal here.
            self.source.hide_literals(self.source.text.get(start..entry.name_span.start).unwrap_or_default().trim_end_matches('"'));
            start = entry.span(self.source).end;
        }
        self.source.hide_literals(self.source.text.get(start..).unwrap_or_default());
    }

    /// An entry of `providers`; checked against the others, if they matter.
    fn provider(&self, entry: &Entry<'a>, around: Option<&Around<'a, '_>>) -> Option<ProviderEntry> {
        let mut reader = entry.reader(self.source, self.notes, Section::Providers);
        let common = ProviderSettings::read(&mut reader);
        let plugin = (entry.registration.build)(&mut reader);
        if entry.registration.role == Role::Queue {
            if common.into.is_some() {
                let message = format!("a `{}` keeps its jobs itself, so they cannot go into another queue", entry.kind);
                reader.error("into", reader.value_span("into"), message, Some("leave `into` out".to_owned()));
            }
        } else if let (Some(into), Some(around)) = (&common.into, around) {
            around.check_queue(&reader, "into", reader.value_span("into"), into);
        } else if let Some(around) = around
            && !reader.is_broken()
        {
            around.check_direct(&reader, entry);
        }
        if let (Some(Plugin::Queue(queue)), Some(around)) = (&plugin, around)
            && let Some(into) = queue.spills_into()
        {
            around.check_spill(&reader, entry, into);
        }
        if plugin.is_some() {
            let fields = (entry.registration.fields)();
            fields.iter().filter(|field| is_address(field.schema)).for_each(|field| check_address(&mut reader, field.name));
        }
        if let (Some(plugin), Some(_)) = (&plugin, around) {
            tell_remarks(&reader, plugin, common.into.as_deref());
        }
        if let (Some(Plugin::Provider(provider)), Some(around)) = (&plugin, around) {
            check_schedule(&reader, provider);
            around.check_templates(&mut reader, entry, common.into.as_deref());
        }
        finish(reader, entry);
        let source = match plugin? {
            Plugin::Queue(queue) => Source::Queue(queue),
            Plugin::Provider(provider) => match common.into {
                Some(into) => Source::Link(provider, into),
                None => Source::Direct(provider),
            },
            Plugin::Worker(_) => return None,
        };
        Some(ProviderEntry {
            name: entry.name.clone(),
            kind: entry.kind,
            source,
            rate: common.rate,
            lease: common.lease,
            keep: common.keep,
        })
    }

    fn worker(&self, entry: &Entry<'a>, retry: &RetryPolicy, poison: u32, around: &Around<'a, '_>) -> Option<WorkerEntry> {
        let mut reader = entry.reader(self.source, self.notes, Section::Workers);
        let common = WorkerSettings::read(&mut reader, retry, poison);
        let plugin = (entry.registration.build)(&mut reader);
        if let Some(plugin) = &plugin {
            tell_remarks(&reader, plugin, None);
            for field in (entry.registration.fields)().iter().filter(|field| names_queue(field.schema)) {
                if let Some(queue) = reader.given::<Option<String>>(field.name).flatten() {
                    around.check_queue(&reader, field.name, reader.value_span(field.name), &queue);
                }
            }
        }
        finish(reader, entry);
        let Plugin::Worker(worker) = plugin? else { return None };
        let WorkerSettings { concurrency, timeout, retry, poison } = common;
        Some(WorkerEntry { name: entry.name.clone(), kind: entry.kind, worker, concurrency, timeout, retry, poison })
    }
}

impl Around<'_, '_> {
    /// A setting that names a queue, such as `into`, has to name one that there is.
    fn check_queue(&self, reader: &Reader<'_>, setting: &str, place: Span, into: &str) {
        if self.queues.contains(&into) {
            return;
        }
        let (message, help) = match self.providers.entries.iter().find(|other| other.name == into) {
            Some(other) => (format!("`{into}` is a `{}`, which stores no jobs", other.kind), suggest("", "queues", &self.queues)),
            // An entry that is wrong in itself may well be a queue.
            None if self.providers.names.iter().any(|name| name == into) => return,
            None => (format!("there is no provider `{into}`"), suggest(into, "queues", &self.queues)),
        };
        reader.error(setting, place, message, Some(help));
    }

    /// A queue that jobs are moved to has to keep them, and to be the end of their way.
    fn check_spill(&self, reader: &Reader<'_>, entry: &Entry<'_>, into: &str) {
        let place = reader.place_in("spill", "into");
        let Some(target) = self.providers.of_role(Role::Queue).find(|other| other.name == into) else {
            return self.check_queue(reader, "spill.into", place, into);
        };
        // What is wrong with the other entry in itself is told there.
        let plugin = (target.registration.build)(&mut target.reader(self.draft.source, &Notes::default(), Section::Providers));
        let Some(Plugin::Queue(queue)) = plugin else { return };
        let (message, help) = if into == entry.name {
            (format!("`{into}` is this queue itself"), "name another one, such as `\"local\": sqlite(path: \"local.db\")`")
        } else if !queue.is_durable() {
            let message = format!("`{into}` is a `{}`, which loses its jobs when the process ends", target.kind);
            (message, "name one that stores them, such as `\"local\": sqlite(path: \"local.db\")`")
        } else if queue.spills_into().is_some() {
            (format!("`{into}` spills too, so jobs would wander on"), "name a queue that keeps what it has")
        } else {
            return;
        };
        reader.error("spill.into", place, message, Some(help.to_owned()));
    }

    /// Jobs that a source makes of its settings: here has to be a worker for them, or elsewhere, if they are stored.
    fn check_templates(&self, reader: &mut Reader<'_>, entry: &Entry<'_>, into: Option<&str>) {
        for field in (entry.registration.fields)().iter().filter(|field| is_job_template(field.schema)) {
            let Some(job) = reader.given::<JobTemplate>(field.name) else { continue };
            let known: Vec<&str> = self.workers.iter().map(String::as_str).collect();
            if known.contains(&job.job_type()) {
                continue;
            }
            let (place, path) = (reader.place_in(field.name, "type"), format!("{}.type", field.name));
            let (message, hint) = (format!("there is no worker `{}`", job.job_type()), suggest(job.job_type(), "workers", &known));
            match into {
                Some(into) => {
                    reader.warning(&path, place, format!("{message} here, so its jobs wait in `{into}` for another process"), Some(hint))
                }
                None => reader.error(&path, place, message, Some(hint)),
            }
        }
    }

    /// A source without `into`: its jobs run directly, and only there.
    fn check_direct(&self, reader: &Reader<'_>, entry: &Entry<'_>) {
        let queue = self.queues.first();
        // An entry that is wrong in itself may well be a queue.
        let is_sure = self.providers.names.len() == self.providers.entries.len();
        if self.has_handlers && self.queues.len() != 1 && is_sure {
            let message = "its dead jobs cannot reach the failure handlers: there has to be one queue for them".to_owned();
            let help = match queue {
                Some(queue) => format!("give it `into: \"{queue}\"`, so that its jobs are stored"),
                None => "add a queue, such as `\"jobs\": sqlite(path: \"goworker.db\")`, and give it `into: \"jobs\"`".to_owned(),
            };
            reader.error("into", entry.name_span.clone(), message, Some(help));
        } else if let Some(queue) = queue {
            let message = format!("jobs of `{}` run directly: they are not stored, and their retries are lost in a crash", entry.name);
            reader.warning("into", entry.name_span.clone(), message, Some(format!("say `into: \"{queue}\"` to store them first")));
        }
    }
}

/// What a plugin says of its settings.
fn tell_remarks(reader: &Reader<'_>, plugin: &Plugin, into: Option<&str>) {
    let remarks = match plugin {
        Plugin::Provider(provider) => provider.remarks(into),
        Plugin::Queue(queue) => queue.remarks(),
        Plugin::Worker(worker) => worker.remarks(),
    };
    remarks.into_iter().for_each(|remark| reader.remark(remark));
}

/// A source that goes by the time has to be due some time.
fn check_schedule(reader: &Reader<'_>, provider: &AnyProvider) {
    for never in provider.schedule().iter().flat_map(Schedule::never_due) {
        let message = format!("`{never}` is never due: there is no such day");
        let help = "`L` is the last day of a month, whichever that is".to_owned();
        reader.warning("schedule", reader.value_span("schedule"), message, Some(help));
    }
}

/// Whether a setting with this schema is a job.
fn is_job_template(schema: fn(&mut SchemaGenerator) -> Schema) -> bool {
    schema(&mut SchemaGenerator::default()).get("format").is_some_and(|format| format == JobTemplate::FORMAT)
}

/// Whether there is anything to bring jobs, and to run them.
fn check_sections(top: &Reader<'_>, providers: &Entries<'_>, workers: &Entries<'_>) {
    if providers.is_left_empty() {
        let help = "add `providers: { \"jobs\": sqlite(path: \"goworker.db\") }`, say".to_owned();
        top.error("providers", top.name_span_of("providers"), "there are no providers, so no job can come in".to_owned(), Some(help));
    }
    if workers.is_left_empty() {
        let help = "add `workers: { \"lua\": lua() }`, say".to_owned();
        top.warning("workers", top.name_span_of("workers"), "there are no workers, so no job can run".to_owned(), Some(help));
    }
}

/// The `admin` block, if it is given.
fn read_admin(top: &mut Reader<'_>) -> Option<AdminSettings> {
    if !top.has("admin") {
        return None;
    }
    let mut block = top.block("admin");
    let listen = block.required::<Address>("listen");
    let token = block.optional::<Option<Secret>>("token", || None).flatten();
    if listen.is_some() {
        check_address(&mut block, "listen");
    }
    // A name that is misspelt may be that of the token.
    block.hide_untaken([<Secret as JsonSchema>::json_schema as fn(&mut SchemaGenerator) -> Schema]);
    block.finish(&["listen", "token"], home);
    Some(AdminSettings { listen: listen?, token })
}

/// An address that other machines can reach needs a token beside it.
fn check_address(reader: &mut Reader<'_>, setting: &str) {
    let Some(address) = reader.given::<Option<Address>>(setting).flatten() else { return };
    if address.is_open() && reader.given::<Option<Secret>>("token").flatten().is_none() {
        let message = format!("other machines can reach {address}, and nothing is asked of them");
        let help = format!("add `token: secret(env(\"TOKEN\"))`, or listen on \"127.0.0.1:{}\"", address.0.port());
        reader.error(setting, reader.value_span(setting), message, Some(help));
    }
}

/// Notes the fields that neither the core nor the plugin knows.
fn finish(reader: Reader<'_>, entry: &Entry<'_>) {
    let fields = (entry.registration.fields)();
    reader.hide_untaken(fields.iter().map(|field| field.schema));
    let common = common_settings(entry.registration.role);
    let known: Vec<&str> = fields.iter().chain(&common).map(|field| field.name).collect();
    reader.finish(&known, home);
}
