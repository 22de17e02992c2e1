//! Arguments and item together, checked: behind this nothing can be wrong.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::{Fields, Generics, Ident, ItemStruct, LitStr, Path, Type, Visibility};

use crate::args::{Args, KIND, Role, is_kind};
use crate::faults::Faults;
use crate::field_args::FieldArgs;
use crate::setting::{Setting, doc};

/// A struct that becomes a plugin.
pub(crate) struct Component {
    pub(crate) role: Role,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    /// What a config calls it.
    pub(crate) kind: String,
    pub(crate) doc: String,
    pub(crate) settings: Vec<Setting>,
    pub(crate) state: Vec<State>,
    /// The type of its jobs' params.
    pub(crate) params: Option<TokenStream>,
    pub(crate) since: Option<LitStr>,
    pub(crate) stability: Option<Ident>,
    /// What goworker is called in the user's crate.
    pub(crate) goworker: Path,
}

/// A field that no config sets.
pub(crate) struct State {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

impl Component {
    /// Checks the whole struct and notes every fault. `None` if its fields cannot be those of a config struct.
    pub(crate) fn check(args: Args, item: &ItemStruct, faults: &mut Faults) -> Option<Self> {
        let doc = doc(&item.attrs);
        if doc.is_empty() {
            faults.at(&item.ident, "a plugin needs a doc comment: `goworker list` shows it");
        }
        let kind = kind(&args, &item.ident, faults);
        let concrete = is_concrete(&item.generics, faults);
        let (settings, state) = fields(args.role, &item.fields, faults)?;
        let Args { role, params, since, stability, goworker, .. } = args;
        let (vis, ident) = (item.vis.clone(), item.ident.clone());
        concrete.then_some(Component { role, vis, ident, kind, doc, settings, state, params, since, stability, goworker })
    }
}

/// What a config calls it.
pub(crate) fn kind(args: &Args, ident: &Ident, faults: &mut Faults) -> String {
    if let Some(name) = &args.name {
        return name.value();
    }
    let kind = ident.unraw().to_string().to_lowercase();
    if !is_kind(&kind) {
        faults.at(ident, format_args!("a name in a config is {KIND}; give one: `name = \"..\"`"));
    }
    kind
}

/// Whether there are no generics. What there is, is noted.
pub(crate) fn is_concrete(generics: &Generics, faults: &mut Faults) -> bool {
    if generics.lifetimes().next().is_some() {
        faults.at(generics, "a plugin lives as long as the program: it owns what it has, so it has no lifetimes");
    } else if !generics.params.is_empty() {
        faults.at(generics, "a plugin is built by its name in a config, so it cannot be generic");
    }
    generics.params.is_empty()
}

fn fields(role: Role, fields: &Fields, faults: &mut Faults) -> Option<(Vec<Setting>, Vec<State>)> {
    let (mut settings, mut state) = (Vec::new(), Vec::new());
    match fields {
        Fields::Unit => {}
        Fields::Unnamed(tuple) => {
            faults.at(tuple, "name the fields: a config sets them by name");
            return None;
        }
        Fields::Named(named) => {
            for field in &named.named {
                let ident = field.ident.clone()?;
                let args = FieldArgs::parse(&field.attrs, faults);
                if args.state {
                    state.push(State { ident, ty: field.ty.clone() });
                } else {
                    settings.push(Setting::check(role, ident, field.ty.clone(), &field.attrs, args, faults));
                }
            }
        }
    }
    Some((settings, state))
}
