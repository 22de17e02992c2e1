//! Which kinds of plugins this binary has.
//!
//! `#[provider]` and `#[worker]` register at link time, and [`Registry::linked`] is what came of it. A crate that is in
//! Cargo.toml but never mentioned is not linked: [`plugins!`](crate::plugins) mentions it. Who would rather say what there
//! is makes a registry by hand: [`Registry::builtin`] or [`Registry::empty`], and then [`Registry::with_plugin`].

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::plugin::Plugin;
use crate::provider::Provider;
use crate::queue::Queue;
use crate::settings::{Field, Reader, Settings};
use crate::worker::Worker;

/// What a kind can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Brings jobs.
    Provider,
    /// Brings and stores jobs.
    Queue,
    /// Runs jobs.
    Worker,
}

impl Role {
    /// Whether an entry with this role stands under `providers`.
    pub const fn is_provider(self) -> bool {
        matches!(self, Role::Provider | Role::Queue)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Provider => "provider",
            Role::Queue => "queue",
            Role::Worker => "worker",
        })
    }
}

/// Where a kind was defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The crate.
    pub crate_name: &'static str,
    /// Its version.
    pub crate_version: &'static str,
    /// The file.
    pub file: &'static str,
    /// The line.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}:{})", self.crate_name, self.crate_version, self.file, self.line)
    }
}

/// What users may expect of a kind in later versions of its crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stability {
    /// Configurations that name it will go on to work.
    #[default]
    Stable,
    /// It may change or go at any time.
    Experimental,
    /// It will go. Its doc comment says what to use instead.
    Deprecated,
}

impl fmt::Display for Stability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Stability::Stable => "stable",
            Stability::Experimental => "experimental",
            Stability::Deprecated => "deprecated",
        })
    }
}

/// A kind of plugin: its name, its settings, its factory.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// The name in the config: the struct's name in lower case.
    pub kind: &'static str,
    /// What it is used for.
    pub role: Role,
    /// The struct's doc comment.
    pub doc: &'static str,
    /// Where it was defined.
    pub origin: Origin,
    /// The version of its crate that had it first, if that is told.
    pub since: Option<&'static str>,
    /// What users may expect of it.
    pub stability: Stability,
    /// Its settings.
    pub fields: fn() -> Vec<Field>,
    /// The JSON Schema of the params of its jobs, complete in itself; `None` if any JSON may be right. Workers only.
    pub params: fn() -> Option<Schema>,
    /// Builds the plugin from a config entry; `None` if there was a mistake, which the reader has noted.
    pub build: fn(&mut Reader<'_>) -> Option<Plugin>,
}

inventory::collect!(Registration);

/// What `#[provider]` and `#[worker]` make of a struct: a plugin that is known by its type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plugin",
    note = "put `#[worker]` or `#[provider]` on `{Self}`, or make a `Registration` of it and use `Registry::with`"
)]
pub trait Registered {
    /// How it is registered.
    const REGISTRATION: Registration;
}

impl Registration {
    /// A provider that is made from its settings `C`.
    pub const fn provider<P: Provider + From<C>, C: Settings>(kind: &'static str, doc: &'static str, origin: Origin) -> Self {
        let build = |reader: &mut Reader<'_>| C::read(reader).map(|settings| Plugin::provider(P::from(settings)));
        Registration::new(Role::Provider, kind, doc, origin, C::fields, build)
    }

    /// A queue that is made from its settings `C`.
    pub const fn queue<Q: Queue + From<C>, C: Settings>(kind: &'static str, doc: &'static str, origin: Origin) -> Self {
        let build = |reader: &mut Reader<'_>| C::read(reader).map(|settings| Plugin::queue(Q::from(settings)));
        Registration::new(Role::Queue, kind, doc, origin, C::fields, build)
    }

    /// A worker that is made from its settings `C`.
    pub const fn worker<W: Worker + From<C>, C: Settings>(kind: &'static str, doc: &'static str, origin: Origin) -> Self {
        let build = |reader: &mut Reader<'_>| C::read(reader).map(|settings| Plugin::worker(W::from(settings)));
        Registration::new(Role::Worker, kind, doc, origin, C::fields, build)
    }

    const fn new(
        role: Role,
        kind: &'static str,
        doc: &'static str,
        origin: Origin,
        fields: fn() -> Vec<Field>,
        build: fn(&mut Reader<'_>) -> Option<Plugin>,
    ) -> Self {
        Registration { kind, role, doc, origin, since: None, stability: Stability::Stable, fields, params: || None, build }
    }

    /// Tells which version of its crate had it first.
    #[must_use]
    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    /// Tells what users may expect of it.
    #[must_use]
    pub const fn stability(mut self, stability: Stability) -> Self {
        self.stability = stability;
        self
    }

    /// Tells that its jobs have params of type `T`.
    #[must_use]
    pub const fn params<T: JsonSchema>(self) -> Self {
        self.params_as(|| Some(SchemaGenerator::default().into_root_schema_for::<T>()))
    }

    /// Tells the JSON Schema of its jobs' params, complete in itself.
    #[must_use]
    pub const fn params_as(mut self, schema: fn() -> Option<Schema>) -> Self {
        self.params = schema;
        self
    }
}

/// The kinds that a config may name. A provider and a worker may share a name (`http`); two workers may not.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    providers: BTreeMap<&'static str, Registration>,
    workers: BTreeMap<&'static str, Registration>,
    duplicates: Vec<Duplicate>,
}

/// A name that two plugins claim.
#[derive(Debug, Clone, thiserror::Error)]
#[error("two {}s are called `{}`: one in {}, one in {}", .first.role, .first.kind, .first.origin, .second.origin)]
pub struct Duplicate {
    first: Registration,
    second: Registration,
}

impl Registry {
    /// No kinds.
    pub fn empty() -> Self {
        Registry::default()
    }

    /// The kinds that goworker itself has, and no others.
    pub fn builtin() -> Self {
        let builtin = |kind: &&Registration| kind.origin.crate_name == env!("CARGO_PKG_NAME");
        inventory::iter::<Registration>.into_iter().filter(builtin).copied().fold(Registry::empty(), Registry::with)
    }

    /// All kinds that are linked into this binary: those of goworker, of the binary itself, and of every crate that it
    /// mentions, in [`plugins!`](crate::plugins) if nowhere else.
    pub fn linked() -> Self {
        inventory::iter::<Registration>.into_iter().copied().fold(Registry::empty(), Registry::with)
    }

    /// Adds the plugin of a type, as in a program that says itself what there is:
    ///
    /// ```
    /// use goworker::{Context, Job, Output, Registry, WorkResult, Worker, worker};
    ///
    /// /// Does nothing.
    /// #[worker]
    /// struct Nothing;
    ///
    /// impl Worker for Nothing {
    ///     async fn work(&self, _: &Job, _: &Context) -> WorkResult {
    ///         Ok(Output::none())
    ///     }
    /// }
    ///
    /// let registry = Registry::builtin().with_plugin::<Nothing>();
    /// assert!(registry.worker("nothing").is_some());
    /// ```
    ///
    /// [`Config::load`](crate::config::Config::load) takes such a registry, and so do
    /// [`cli::main_with`](crate::cli::main_with), [`Client::open_with`](crate::client::Client::open_with) and
    /// `testing::Pipeline::load_with`.
    #[must_use]
    pub fn with_plugin<P: Registered>(self) -> Self {
        self.with(P::REGISTRATION)
    }

    /// Adds a kind. If its name is taken, neither is preferred: [`duplicates`](Registry::duplicates) tells.
    ///
    /// Together with [`Registered`], this is all that `#[worker]` does, by hand:
    ///
    /// ```
    /// use goworker::settings::{Field, Reader, Settings};
    /// use goworker::{Context, Job, Origin, Registration, Registry, WorkResult, Worker};
    ///
    /// struct Echo {
    ///     times: u8,
    /// }
    ///
    /// impl Worker for Echo {
    ///     async fn work(&self, job: &Job, _: &Context) -> WorkResult {
    ///         Ok(serde_json::json!(job.name.repeat(self.times.into())).into())
    ///     }
    /// }
    ///
    /// struct EchoConfig {
    ///     times: u8,
    /// }
    ///
    /// impl Settings for EchoConfig {
    ///     fn fields() -> Vec<Field> {
    ///         vec![Field::new::<u8>("times", "u8", "How often to say it.").or("2").within("1..=9")]
    ///     }
    ///
    ///     // All fields are read before the first `?`, so that every mistake is told.
    ///     fn read(reader: &mut Reader<'_>) -> Option<Self> {
    ///         let times = reader.optional("times", || 2);
    ///         let times = reader.within("times", times, 1..=9);
    ///         Some(EchoConfig { times: times? })
    ///     }
    /// }
    ///
    /// impl From<EchoConfig> for Echo {
    ///     fn from(config: EchoConfig) -> Self {
    ///         Echo { times: config.times }
    ///     }
    /// }
    ///
    /// let origin = Origin { crate_name: "echo", crate_version: "1.0.0", file: file!(), line: line!() };
    /// let echo = Registration::worker::<Echo, EchoConfig>("echo", "Says it again.", origin);
    /// let registry = Registry::linked().with(echo);
    /// assert!(registry.worker("echo").is_some());
    /// ```
    #[must_use]
    pub fn with(mut self, registration: Registration) -> Self {
        let kinds = if registration.role.is_provider() { &mut self.providers } else { &mut self.workers };
        if let Some(first) = kinds.insert(registration.kind, registration) {
            self.duplicates.push(Duplicate { first, second: registration });
        }
        self
    }

    /// The names that more than one plugin claims. A program with such names does not start.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// The provider or queue kind of that name.
    pub fn provider(&self, kind: &str) -> Option<&Registration> {
        self.providers.get(kind)
    }

    /// The worker kind of that name.
    pub fn worker(&self, kind: &str) -> Option<&Registration> {
        self.workers.get(kind)
    }

    /// All provider and queue kinds, by name.
    pub fn providers(&self) -> impl Iterator<Item = &Registration> {
        self.providers.values()
    }

    /// All worker kinds, by name.
    pub fn workers(&self) -> impl Iterator<Item = &Registration> {
        self.workers.values()
    }
}
