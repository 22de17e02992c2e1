//! Writes what was checked. Nothing is decided here.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Fields, Ident, Item, ItemStruct};

use crate::args::{Args, Attribute, Role};
use crate::component::{Component, Setting, State};
use crate::faults::Faults;

/// The whole macro. The item is given back whatever happens, so that one fault does not cause others elsewhere.
pub(crate) fn expand(attribute: Attribute, args: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let args = Args::parse(attribute, args, &mut faults);
    let expansion = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(item)) => plugin(args, item, &mut faults),
        Ok(other) => {
            faults.at(first_token(&item), format_args!("`{}` goes on a struct", attribute.written()));
            quote!(#other)
        }
        Err(error) => {
            faults.note(error);
            item
        }
    };
    let faults = faults.into_tokens();
    quote!(#expansion #faults)
}

fn first_token(item: &TokenStream) -> TokenStream {
    item.clone().into_iter().take(1).collect()
}

fn plugin(args: Args, mut item: ItemStruct, faults: &mut Faults) -> TokenStream {
    let component = Component::check(args, &item, faults);
    strip(&mut item.fields);
    let Some(component) = component else {
        let (vis, config) = (&item.vis, config_ident(&item.ident));
        return quote!(#item #[allow(missing_docs, missing_debug_implementations)] #vis struct #config {});
    };
    let config = config_struct(&component);
    let from = from_config(&component);
    if !faults.is_empty() {
        return quote!(#item #config #from);
    }
    let settings = settings(&component);
    let registration = registration(&component);
    quote!(#item #config #from #settings #registration)
}

/// Takes the attributes off that only the macro knows.
fn strip(fields: &mut Fields) {
    for field in fields {
        field.attrs.retain(|attribute| !attribute.path().is_ident("config") && !attribute.path().is_ident("state"));
    }
}

fn config_ident(ident: &Ident) -> Ident {
    format_ident!("{ident}Config")
}

fn config_struct(Component { vis, ident, settings, .. }: &Component) -> TokenStream {
    let config = config_ident(ident);
    let doc = format!("The settings of [`{ident}`].");
    let fields = settings.iter().map(|Setting { ident, doc, ty, .. }| quote!(#[doc = #doc] #vis #ident: #ty));
    quote! {
        #[doc = #doc]
        #[allow(missing_debug_implementations)]
        #vis struct #config {
            #(#fields,)*
        }
    }
}

fn from_config(Component { ident, settings, state, .. }: &Component) -> TokenStream {
    let config = config_ident(ident);
    let argument = local("config", settings);
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

fn settings(Component { ident, settings, .. }: &Component) -> TokenStream {
    let config = config_ident(ident);
    let reader = local("reader", settings);
    let fields = settings.iter().map(field);
    let reads = settings.iter().map(|setting| read(&reader, setting));
    let idents = settings.iter().map(|setting| &setting.ident);
    quote! {
        #[automatically_derived]
        impl ::goworker::__private::Settings for #config {
            fn fields() -> ::std::vec::Vec<::goworker::__private::Field> {
                ::std::vec![#(#fields,)*]
            }

            fn read(#reader: &mut ::goworker::__private::Reader<'_>) -> ::core::option::Option<Self> {
                #(#reads)*
                ::core::option::Option::Some(Self { #(#idents: #idents?,)* })
            }
        }
    }
}

fn field(Setting { name, doc, ty, default, range, .. }: &Setting) -> TokenStream {
    let written = crate::text::text(ty);
    let default = default.iter().map(|default| &default.text);
    let range = range.iter().map(|range| &range.text);
    quote!(::goworker::__private::Field::new::<#ty>(#name, #written, #doc) #(.or(#default))* #(.within(#range))*)
}

/// Reads one field into a variable of its name. All are read before one is missed, so that all mistakes are noted.
fn read(reader: &Ident, Setting { ident, name, ty, default, range, .. }: &Setting) -> TokenStream {
    let value = match default {
        Some(default) => {
            let default = &default.value;
            quote!(#reader.optional::<#ty>(#name, || #default))
        }
        None => quote!(#reader.required::<#ty>(#name)),
    };
    let checked = range.iter().map(|range| {
        let allowed = &range.value;
        if range.optional {
            quote! {
                let #ident = match #ident {
                    ::core::option::Option::Some(::core::option::Option::Some(given)) => {
                        #reader.within(#name, ::core::option::Option::Some(given), #allowed).map(::core::option::Option::Some)
                    }
                    other => other,
                };
            }
        } else {
            quote!(let #ident = #reader.within(#name, #ident, #allowed);)
        }
    });
    quote!(let #ident = #value; #(#checked)*)
}

fn registration(Component { role, ident, kind, doc, .. }: &Component) -> TokenStream {
    let config = config_ident(ident);
    let constructor = match role {
        Role::Provider => quote!(provider),
        Role::Queue => quote!(queue),
        Role::Worker => quote!(worker),
    };
    // At the user's struct, so that a missing `impl` is reported there.
    let entry = quote_spanned!(ident.span()=> ::goworker::__private::Registration::#constructor::<#ident, #config>);
    quote! {
        const _: () = {
            ::goworker::__private::inventory::submit! {
                #entry(#kind, #doc, ::goworker::__private::Origin {
                    crate_name: ::core::env!("CARGO_PKG_NAME"),
                    crate_version: ::core::env!("CARGO_PKG_VERSION"),
                    file: ::core::file!(),
                    line: ::core::line!(),
                })
            }
        };
    }
}

/// An argument that no field can be confused with; it has an underscore if there is no setting to use it.
fn local(name: &str, settings: &[Setting]) -> Ident {
    let unused = if settings.is_empty() { "_" } else { "" };
    Ident::new(&format!("{unused}{name}"), Span::mixed_site())
}
