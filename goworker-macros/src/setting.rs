//! One setting, checked: its name, its type, its default, its range.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, ExprLit, ExprRange, GenericArgument, Ident, Lit, LitStr, Meta, PathArguments, RangeLimits, Type};

use crate::args::Role;
use crate::faults::Faults;
use crate::field_args::{DefaultArg, FieldArgs};
use crate::literal::{is_empty, is_literal, is_outside};
use crate::text::text;

/// Something that a config sets.
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
    /// A value to start from, as a config writes it.
    pub(crate) example: Option<String>,
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

impl Setting {
    /// Checks one setting and notes every fault.
    pub(crate) fn check(role: Role, ident: Ident, ty: Type, attributes: &[Attribute], args: FieldArgs, faults: &mut Faults) -> Self {
        let name = ident.unraw().to_string();
        let doc = doc(attributes);
        if doc.is_empty() {
            let hint = if args.config { "" } else { " (or is it `#[state]`?)" };
            faults.at(&ident, format_args!("a setting needs a doc comment: `goworker describe` shows it{hint}"));
        }
        if let Some(common) = common(role).iter().find(|common| **common == name) {
            faults.at(&ident, format_args!("`{common}` is a setting that every {} has already; call it something else", noun(role)));
        }
        if let Some(range) = args.range.as_ref().filter(|range| is_empty(range)) {
            faults.at(range, "no value is in this range");
        } else if let (Some(DefaultArg::Value(value)), Some(range)) = (&args.default, &args.range)
            && is_outside(value, range)
        {
            faults.at(value, format_args!("the default is outside of its range, `{}`", text(range)));
        }
        let fallback = fallback(&ty, args.default, args.range.as_ref());
        let range = args.range.map(|range| {
            let bound = in_option(&ty).unwrap_or(&ty);
            let start = range.start.as_deref().map(|start| converted(bound, start, None));
            let end = range.end.as_deref().map(|end| converted(bound, end, None));
            let limits = &range.limits;
            Range { value: quote!(#start #limits #end), text: text(&range), optional: in_option(&ty).is_some() }
        });
        let doc_attributes = attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect();
        let example = args.example.map(text);
        Setting { ident, name, doc, doc_attributes, ty, fallback, range, example }
    }
}

/// The settings that the core takes out of an entry before the plugin sees it.
fn common(role: Role) -> &'static [&'static str] {
    match role {
        Role::Worker => &["concurrency", "timeout", "retry", "poison"],
        Role::Provider | Role::Queue => &["into", "lease", "keep", "rate"],
    }
}

fn noun(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::Provider | Role::Queue => "provider",
    }
}

fn fallback(ty: &Type, written: Option<DefaultArg>, range: Option<&ExprRange>) -> Option<Fallback> {
    match (written, in_option(ty)) {
        (Some(DefaultArg::Value(value)), inner) if is_literal(&value) => {
            let converted = converted(inner.unwrap_or(ty), &value, range);
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
fn converted(ty: &Type, value: &Expr, range: Option<&ExprRange>) -> TokenStream {
    let Some(text) = literal_text(value) else { return quote!(#value) };
    match last_segment(ty).map(|segment| segment.ident.to_string()).as_deref() {
        // Of `goworker::units`. An item is evaluated by `cargo check` already; a `const` block is not.
        Some(unit @ ("Dur" | "Size")) => {
            let check = range.map(|range| inside(unit, ty, text, range));
            quote_spanned! {text.span()=> {
                const VALUE: #ty = <#ty>::literal(#text);
                #check
                VALUE
            }}
        }
        // "expected `u8`, found `&str`" says more than "`u8: From<&str>` is not satisfied".
        Some(name) if is_primitive(name) => quote!(#text),
        _ => quote!(::core::convert::Into::into(#text)),
    }
}

/// An error of the compiler, at a default with a unit, if it is outside of a range of literals.
fn inside(unit: &str, ty: &Type, default: &LitStr, range: &ExprRange) -> TokenStream {
    let span = default.span();
    let amount = |text: &LitStr| match unit {
        "Dur" => quote_spanned!(span=> <#ty>::literal(#text).get().as_nanos()),
        _ => quote_spanned!(span=> <#ty>::literal(#text).bytes()),
    };
    let (value, message) = (amount(default), format!("the default is outside of its range, `{}`", text(range)));
    let bound = |bound: &Option<Box<Expr>>| bound.as_deref().and_then(literal_text).map(amount);
    let start = bound(&range.start).map(|start| quote_spanned!(span=> #start <= #value)).into_iter();
    let end = bound(&range.end).map(|end| match range.limits {
        RangeLimits::Closed(_) => quote_spanned!(span=> #value <= #end),
        RangeLimits::HalfOpen(_) => quote_spanned!(span=> #value < #end),
    });
    let checks = start.chain(end);
    quote_spanned!(span=> #(const _: () = ::core::assert!(#checks, #message);)*)
}

fn literal_text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        _ => None,
    }
}

fn is_primitive(name: &str) -> bool {
    let is_number = |digits: &str| digits == "size" || digits.parse::<u8>().is_ok();
    name == "bool" || name == "char" || name.strip_prefix(['u', 'i', 'f']).is_some_and(is_number)
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

/// The last word of a path with its arguments: `Job` of `goworker::Job`.
pub(crate) fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The text of the doc comments.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
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
