//! A function that becomes a worker, checked: which of its arguments is what.

use proc_macro2::{Ident, Span};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn, Pat, PatType, ReturnType, Safety, Signature, Token, Type, TypeReference, parse_quote_spanned};

use crate::args::Args;
use crate::component::{Component, is_concrete, kind};
use crate::faults::Faults;
use crate::field_args::FieldArgs;
use crate::setting::{Setting, doc, last_segment};

/// A function, and the struct that runs it.
pub(crate) struct Function {
    /// The struct: its settings are those arguments that have `#[config]`.
    pub(crate) component: Component,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    /// Where it says what it returns; its name if it returns nothing.
    pub(crate) returns: Span,
    /// In the order of the function.
    pub(crate) arguments: Vec<Argument>,
}

/// Where an argument comes from.
pub(crate) enum Argument {
    /// `&Job`.
    Job,
    /// `&Context`.
    Context,
    /// The params of the job, as this type.
    Params(Box<Type>),
    /// The setting of that name.
    Setting { ident: Ident, is_reference: bool },
}

impl Function {
    /// Checks the whole function and notes every fault. `None` if its arguments cannot be told apart.
    pub(crate) fn check(args: Args, item: &ItemFn, faults: &mut Faults) -> Option<Self> {
        let ident = item.sig.ident.clone();
        let doc = doc(&item.attrs);
        if doc.is_empty() {
            faults.at(&ident, "a plugin needs a doc comment: `goworker list` shows it");
        }
        if let Some(params) = &args.params {
            faults.at(params, "the params of a function are what its argument says: leave `params` out");
        }
        let kind = kind(&args, &ident, faults);
        let concrete = is_concrete(&item.sig.generics, faults);
        check_signature(&item.sig, faults);
        let (arguments, settings) = arguments(&args, &item.sig.inputs, faults)?;
        let Args { role, params, since, stability, goworker, .. } = args;
        let component = Component {
            role,
            vis: item.vis.clone(),
            ident: struct_ident(&ident),
            kind,
            doc,
            settings,
            state: Vec::new(),
            params,
            since,
            stability,
            goworker,
        };
        let (is_async, returns) = (item.sig.asyncness.is_some(), returns(&item.sig));
        concrete.then_some(Function { component, ident, is_async, returns, arguments })
    }

    /// The type of the params, if it takes any.
    pub(crate) fn params(&self) -> Option<&Type> {
        self.arguments.iter().find_map(|argument| match argument {
            Argument::Params(ty) => Some(&**ty),
            _ => None,
        })
    }
}

/// `resize_picture` is run by `ResizePictureWorker`.
fn struct_ident(ident: &Ident) -> Ident {
    let name = ident.unraw().to_string();
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    format_ident!("{}Worker", words.collect::<String>(), span = ident.span())
}

fn returns(signature: &Signature) -> Span {
    match &signature.output {
        ReturnType::Type(_, ty) => last_segment(bare(ty)).map_or_else(|| ty.span(), |segment| segment.ident.span()),
        ReturnType::Default => signature.ident.span(),
    }
}

fn check_signature(signature: &Signature, faults: &mut Faults) {
    if let Some(constness) = &signature.constness {
        faults.at(constness, "a worker is an ordinary function: take `const` away");
    }
    match &signature.safety {
        Safety::Unsafe(keyword) => faults.at(keyword, "a worker is called by the manager, which can promise nothing: take `unsafe` away"),
        Safety::Safe(keyword) => faults.at(keyword, "a worker is an ordinary function: take `safe` away"),
        Safety::Default => {}
    }
    if let Some(abi) = &signature.abi {
        faults.at(abi, "a worker is a function of Rust: take `extern` away");
    }
    if let Some(variadic) = &signature.variadic {
        faults.at(variadic, "a worker takes what the manager has for it: params, settings, `&Job`, `&Context`");
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && let Type::ImplTrait(hidden) = bare(ty)
    {
        faults.at(hidden, "name the type that is returned, such as `anyhow::Result<Thumbnail>`; an `async fn` returns it too");
    }
}

fn arguments(args: &Args, inputs: &Punctuated<FnArg, Token![,]>, faults: &mut Faults) -> Option<(Vec<Argument>, Vec<Setting>)> {
    let (mut arguments, mut settings) = (Vec::new(), Vec::new());
    let mut complete = true;
    for input in inputs {
        let argument = match input {
            FnArg::Receiver(receiver) => {
                refuse(receiver, "a method cannot be a worker: put `#[worker]` on the struct, and write `impl Worker` for it")
            }
            FnArg::Typed(typed) => {
                let field = FieldArgs::parse(&typed.attrs, faults);
                if field.config {
                    configured(typed).map(|(ident, ty, is_reference)| {
                        settings.push(Setting::check(args.role, ident.clone(), ty, &typed.attrs, field, faults));
                        Argument::Setting { ident, is_reference }
                    })
                } else {
                    given(typed, &field).and_then(|argument| once(argument, &arguments, typed))
                }
            }
        };
        match argument {
            Ok(argument) => arguments.push(argument),
            Err(fault) => {
                faults.note(fault);
                complete = false;
            }
        }
    }
    complete.then_some((arguments, settings))
}

/// An argument with `#[config]`: its name, the type that the struct holds, and whether the function borrows it.
fn configured(typed: &PatType) -> syn::Result<(Ident, Type, bool)> {
    let Pat::Ident(name) = &*typed.pat else { return refuse(&typed.pat, "a config sets a setting by its name: give it one") };
    let (ty, is_reference) = match bare(&typed.ty) {
        Type::ImplTrait(hidden) => return refuse(hidden, "name the type of the setting"),
        Type::Reference(reference) if is_called(reference, &["Job", "Context"]) => {
            return refuse(reference, "this is no setting: take `#[config]` away");
        }
        Type::Reference(reference) => (owned(shared(reference)?), true),
        ty => (ty.clone(), false),
    };
    Ok((name.ident.clone(), ty, is_reference))
}

/// An argument without `#[config]`.
fn given(typed: &PatType, field: &FieldArgs) -> syn::Result<Argument> {
    if field.state {
        return refuse(&typed.pat, "a function keeps nothing from job to job; a struct with `#[worker]` does");
    }
    if !doc(&typed.attrs).is_empty() {
        return refuse(&typed.pat, "only settings are described: add `#[config]` if it is one");
    }
    match bare(&typed.ty) {
        Type::Reference(reference) if is_called(reference, &["Job"]) => shared(reference).map(|_| Argument::Job),
        Type::Reference(reference) if is_called(reference, &["Context"]) => shared(reference).map(|_| Argument::Context),
        Type::Reference(reference) => {
            refuse(reference, "params are taken by value; references are `&Job`, `&Context`, and settings with `#[config]`")
        }
        Type::ImplTrait(hidden) => refuse(hidden, "name the type of the params: it says what their JSON has to be"),
        ty => match last_segment(ty).map(|segment| segment.ident.to_string()).as_deref() {
            Some(name @ ("Job" | "Context")) => refuse(ty, format_args!("take it by reference: `&{name}`")),
            _ => Ok(Argument::Params(Box::new(ty.clone()))),
        },
    }
}

/// Each sort of argument is there once at most, but settings.
fn once(argument: Argument, earlier: &[Argument], typed: &PatType) -> syn::Result<Argument> {
    let same = |other: &Argument| std::mem::discriminant(other) == std::mem::discriminant(&argument);
    if !earlier.iter().any(same) {
        return Ok(argument);
    }
    let message = match argument {
        Argument::Params(_) => "an earlier argument has the params already, all of them; if this is a setting, mark it `#[config]`",
        _ => "an earlier argument is the same; keep one",
    };
    refuse(&typed.ty, message)
}

fn refuse<T>(tokens: impl ToTokens, message: impl std::fmt::Display) -> syn::Result<T> {
    Err(syn::Error::new_spanned(tokens, message))
}

fn is_called(reference: &TypeReference, names: &[&str]) -> bool {
    last_segment(bare(&reference.elem)).is_some_and(|segment| names.iter().any(|name| segment.ident == name))
}

/// What a shared reference refers to.
fn shared(reference: &TypeReference) -> syn::Result<&Type> {
    match &reference.mutability {
        Some(mutability) => refuse(mutability, "jobs run at the same time, so they share this: take `mut` away"),
        None => Ok(&reference.elem),
    }
}

/// What the struct holds so that the function can have a reference to it.
fn owned(ty: &Type) -> Type {
    let span: Span = ty.span();
    match bare(ty) {
        Type::Slice(slice) => {
            let element = &slice.elem;
            parse_quote_spanned!(span=> ::std::vec::Vec<#element>)
        }
        ty => match last_segment(ty).map(|segment| segment.ident.to_string()).as_deref() {
            Some("str") => parse_quote_spanned!(span=> ::std::string::String),
            Some("Path") => parse_quote_spanned!(span=> ::std::path::PathBuf),
            _ => ty.clone(),
        },
    }
}

/// A type without brackets around it.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(paren) => bare(&paren.elem),
        Type::Group(group) => bare(&group.elem),
        other => other,
    }
}
