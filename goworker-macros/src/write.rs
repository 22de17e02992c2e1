//! Writes what was checked. Nothing is decided here.
//!
//! What a user wrote, a default or a range, is put where no variable of ours is in sight: ours have the hygiene of
//! `macro_rules`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Path, Type};

use crate::args::Role;
use crate::component::{Component, State};
use crate::setting::{Fallback, Setting};
use crate::text::text;

/// All that makes a struct a plugin.
pub(crate) fn plugin(component: &Component) -> TokenStream {
    let params = component.params.iter();
    let (config, settings) = (config(component), settings(component));
    let registration = registered(component, &quote!(#(.params::<#params>())*));
    quote!(#config #settings #registration)
}

/// The config struct, and the plugin made from it: what the user's own code may name.
pub(crate) fn config(component: &Component) -> TokenStream {
    let (config, from) = (config_struct(component), from_config(component));
    quote!(#config #from)
}

/// What the config struct is called.
pub(crate) fn config_ident(ident: &Ident) -> Ident {
    format_ident!("{ident}Config")
}

fn config_struct(Component { vis, ident, settings, .. }: &Component) -> TokenStream {
    let config = config_ident(ident);
    let doc = format!(" The settings of [`{ident}`].");
    let fields = settings.iter().map(|Setting { ident, doc_attributes, ty, .. }| quote!(#(#doc_attributes)* #vis #ident: #ty));
    quote! {
        #[doc = #doc]
        #[allow(missing_debug_implementations, reason = "settings may be secret")]
        #vis struct #config {
            #(#fields,)*
        }
    }
}

fn from_config(Component { ident, settings, state, .. }: &Component) -> TokenStream {
    let config = config_ident(ident);
    let argument = used("config", settings);
    let settings = settings.iter().map(|Setting { ident, .. }| quote!(#ident: #argument.#ident));
    let state = state.iter().map(|State { ident, ty }| quote!(#ident: <#ty as ::core::default::Default>::default()));
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<#config> for #ident {
            fn from(#argument: #config) -> Self {
                Self { #(#settings,)* #(#state,)* }
            }
        }
    }
}

/// How the config struct is described, and read.
pub(crate) fn settings(Component { ident, settings, goworker, .. }: &Component) -> TokenStream {
    let config = config_ident(ident);
    let reader = used("reader", settings);
    let fields = settings.iter().map(|setting| field(goworker, setting));
    let reads = settings.iter().map(|setting| read(goworker, &reader, setting));
    let values = settings.iter().map(|setting| {
        let (ident, value) = (&setting.ident, value_of(setting));
        quote!(#ident: #value?)
    });
    quote! {
        #[automatically_derived]
        impl #goworker::__private::Settings for #config {
            fn fields() -> ::std::vec::Vec<#goworker::__private::Field> {
                ::std::vec![#(#fields,)*]
            }

            fn read(#reader: &mut #goworker::__private::Reader<'_>) -> ::core::option::Option<Self> {
                #(#reads)*
                ::core::option::Option::Some(Self { #(#values,)* })
            }
        }
    }
}

fn field(goworker: &Path, Setting { name, doc, ty, fallback, range, example, .. }: &Setting) -> TokenStream {
    let written = text(ty);
    let written = written.trim_start_matches("::");
    let default = fallback.iter().map(|fallback| shown(goworker, ty, fallback));
    let range = range.iter().map(|range| &range.text);
    let example = example.iter();
    let field = quote!(<#ty as #goworker::__private::AsSetting>::field(#name, #written, #doc));
    quote!(#field #(.or(#default))* #(.within(#range))* #(.example(#example))*)
}

fn shown(goworker: &Path, ty: &Type, Fallback { value, text, is_ron }: &Fallback) -> TokenStream {
    if *is_ron {
        return quote!(#text);
    }
    quote!({
        use #goworker::__private::{InRon as _, InRust as _};
        let value: #ty = #value;
        (&#goworker::__private::Shown(value)).text(#text)
    })
}

/// Reads one setting into a variable. All are read before one is missed, so that all mistakes are noted.
fn read(goworker: &Path, reader: &Ident, setting: &Setting) -> TokenStream {
    let Setting { name, ty, fallback, range, .. } = setting;
    let (value, given, other) = (value_of(setting), local("given"), local("other"));
    let read = match fallback {
        Some(Fallback { value, .. }) => quote!(optional(#reader, #name, || #value)),
        None => quote!(required(#reader, #name)),
    };
    let checked = range.iter().map(|range| {
        let allowed = &range.value;
        if range.optional {
            quote! {
                let #value = match #value {
                    ::core::option::Option::Some(::core::option::Option::Some(#given)) => {
                        #reader.within(#name, ::core::option::Option::Some(#given), #allowed).map(::core::option::Option::Some)
                    }
                    #other => #other,
                };
            }
        } else {
            quote!(let #value = #reader.within(#name, #value, #allowed);)
        }
    });
    quote!(let #value = <#ty as #goworker::__private::AsSetting>::#read; #(#checked)*)
}

/// Makes it known: by its type, and to whoever asks for all that is linked. `params` is a call that tells their schema.
pub(crate) fn registered(component: &Component, params: &TokenStream) -> TokenStream {
    let Component { role, ident, kind, doc, since, stability, goworker, .. } = component;
    let config = config_ident(ident);
    let constructor = match role {
        Role::Provider => quote!(provider),
        Role::Queue => quote!(queue),
        Role::Worker => quote!(worker),
    };
    // At the user's struct, so that a missing `impl` is reported there.
    let entry = quote_spanned!(ident.span()=> #goworker::__private::Registration::#constructor::<#ident, #config>);
    let (since, stability) = (since.iter(), stability.iter());
    quote! {
        #[automatically_derived]
        impl #goworker::__private::Registered for #ident {
            const REGISTRATION: #goworker::__private::Registration = #entry(#kind, #doc, #goworker::__private::Origin {
                crate_name: ::core::env!("CARGO_PKG_NAME"),
                crate_version: ::core::env!("CARGO_PKG_VERSION"),
                file: ::core::file!(),
                line: ::core::line!(),
            })
            #params #(.since(#since))* #(.stability(#goworker::__private::Stability::#stability))*;
        }
        const _: () = {
            #goworker::__private::inventory::submit! { <#ident as #goworker::__private::Registered>::REGISTRATION }
        };
    }
}

/// A variable that no code of the user can see.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// An argument; it has an underscore if there is no setting to use it.
fn used(name: &str, settings: &[Setting]) -> Ident {
    let unused = if settings.is_empty() { "_" } else { "" };
    local(&format!("{unused}{name}"))
}

/// The variable that a setting is read into.
fn value_of(setting: &Setting) -> Ident {
    local(&format!("read_{}", setting.ident.unraw()))
}
