//! Arguments and item together, checked: behind this nothing can be wrong.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{
    Attribute, Expr, ExprLit, ExprUnary, Fields, GenericArgument, Ident, ItemStruct, Lit, Meta, PathArguments, Type, UnOp, Visibility,
};

use crate::args::{Args, DefaultArg, FieldArgs, KIND, Role, is_kind};
use crate::faults::Faults;
use crate::text::text;

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
}

/// A field that a config sets.
pub(crate) struct Setting {
    pub(crate) ident: Ident,
    /// What a config calls it.
    pub(crate) name: String,
    pub(crate) doc: String,
    /// The doc comment as written, for the config struct.
    pub(crate) doc_attributes: Vec<Attribute>,
    pub(crate) ty: Type,
    /// What it is if a config leaves it out; `None` if it must not.
    pub(crate) fallback: Option<Fallback>,
    pub(crate) range: Option<Range>,
}

/// What a setting is if it is left out.
pub(crate) struct Fallback {
    pub(crate) value: TokenStream,
    /// The value as written.
    pub(crate) text: String,
    /// Whether it is written in RON as it is in Rust.
    pub(crate) is_ron: bool,
}

/// What a setting may be.
pub(crate) struct Range {
    pub(crate) value: TokenStream,
    /// The range as written.
    pub(crate) text: String,
    /// Whether the setting is an `Option`: the range then holds for what is in it.
    pub(crate) optional: bool,
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
        let concrete = is_concrete(item, faults);
        let (settings, state) = fields(args.role, &item.fields, faults)?;
        concrete.then(|| Component { role: args.role, vis: item.vis.clone(), ident: item.ident.clone(), kind, doc, settings, state })
    }
}

fn kind(args: &Args, ident: &Ident, faults: &mut Faults) -> String {
    if let Some(name) = &args.name {
        return name.value();
    }
    let kind = ident.unraw().to_string().to_lowercase();
    if !is_kind(&kind) {
        faults.at(ident, format_args!("a name in a config is {KIND}; give one: `name = \"..\"`"));
    }
    kind
}

fn is_concrete(item: &ItemStruct, faults: &mut Faults) -> bool {
    let generics = &item.generics;
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
                    settings.push(setting(role, ident, field, args, faults));
                }
            }
        }
    }
    Some((settings, state))
}

fn setting(role: Role, ident: Ident, field: &syn::Field, args: FieldArgs, faults: &mut Faults) -> Setting {
    let name = ident.unraw().to_string();
    let doc = doc(&field.attrs);
    if doc.is_empty() {
        faults.at(&ident, "a setting needs a doc comment: `goworker describe` shows it (or is it `#[state]`?)");
    }
    if let Some(common) = common(role).iter().find(|common| **common == name) {
        faults.at(&ident, format_args!("`{common}` is a setting that every {} has already; call it something else", noun(role)));
    }
    let ty = field.ty.clone();
    let fallback = fallback(&ty, args.default);
    let range = args.range.map(|range| {
        let bound = in_option(&ty).unwrap_or(&ty);
        let start = range.start.as_deref().map(|start| converted(bound, start));
        let end = range.end.as_deref().map(|end| converted(bound, end));
        let limits = &range.limits;
        Range { value: quote!(#start #limits #end), text: text(&range), optional: in_option(&ty).is_some() }
    });
    let doc_attributes = field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect();
    Setting { ident, name, doc, doc_attributes, ty, fallback, range }
}

/// The settings that the core takes out of an entry before the plugin sees it.
fn common(role: Role) -> &'static [&'static str] {
    match role {
        Role::Worker => &["concurrency", "timeout", "retry"],
        Role::Provider | Role::Queue => &["into", "lease", "keep", "rate"],
    }
}

fn noun(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::Provider | Role::Queue => "provider",
    }
}

fn fallback(ty: &Type, written: Option<DefaultArg>) -> Option<Fallback> {
    match (written, in_option(ty)) {
        (Some(DefaultArg::Value(value)), inner) if is_literal(&value) => {
            let converted = converted(inner.unwrap_or(ty), &value);
            let converted = if inner.is_some() { quote!(::core::option::Option::Some(#converted)) } else { converted };
            Some(Fallback { value: converted, text: text(&value), is_ron: true })
        }
        (Some(DefaultArg::Value(value)), _) => Some(Fallback { value: quote!(#value), text: text(&value), is_ron: false }),
        (_, Some(_)) => Some(Fallback { value: quote!(::core::option::Option::None), text: "None".to_owned(), is_ron: true }),
        (Some(DefaultArg::OfType), None) => {
            let value = quote!(<#ty as ::core::default::Default>::default());
            Some(Fallback { value, text: "Default::default()".to_owned(), is_ron: false })
        }
        (None, None) => None,
    }
}

/// A value of `ty`, as a person writes it: a text becomes what the type makes of it, everything else stays as it is.
fn converted(ty: &Type, value: &Expr) -> TokenStream {
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value else { return quote!(#value) };
    match last_segment(ty).map(|segment| segment.ident.to_string()).as_deref() {
        // Of `goworker::units`. An item is evaluated by `cargo check` already; a `const` block is not.
        Some("Dur" | "Size") => quote_spanned! {text.span()=> {
            const VALUE: #ty = <#ty>::literal(#text);
            VALUE
        }},
        // "expected `u8`, found `&str`" says more than "`u8: From<&str>` is not satisfied".
        Some(name) if is_primitive(name) => quote!(#text),
        _ => quote!(::core::convert::Into::into(#text)),
    }
}

fn is_primitive(name: &str) -> bool {
    let is_number = |digits: &str| digits == "size" || digits.parse::<u8>().is_ok();
    name == "bool" || name == "char" || name.strip_prefix(['u', 'i', 'f']).is_some_and(is_number)
}

fn is_literal(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) => true,
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => is_literal(expr),
        _ => false,
    }
}

/// The `T` of an `Option<T>`.
fn in_option(ty: &Type) -> Option<&Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Option")?;
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
            Some(GenericArgument::Type(inner)) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The text of the doc comments.
fn doc(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
    lines.join("\n").trim().to_owned()
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
                let line = line.value();
                Some(line.strip_prefix(' ').unwrap_or(&line).to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}
