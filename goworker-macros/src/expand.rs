//! Writes what was checked. Nothing is decided here.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Field, Fields, Ident, Item, ItemStruct, Type};

use crate::args::{Args, Attribute, Role};
use crate::component::{Component, Fallback, Setting, State};
use crate::faults::Faults;
use crate::text::text;

/// The whole macro. The item is given back whatever happens, so that one fault does not cause others elsewhere.
pub(crate) fn expand(attribute: Attribute, args: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let args = Args::parse(attribute, args, &mut faults);
    let expansion = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(item)) => plugin(args, item, &mut faults),
        Ok(mut other) => {
            faults.at(name_of(&other), format_args!("`{}` goes on a struct", attribute.written()));
            strip_other(&mut other);
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

/// What a fault of the whole item is shown at: to underline all of its lines helps nobody.
fn name_of(item: &Item) -> TokenStream {
    match item {
        Item::Enum(item) => item.ident.to_token_stream(),
        Item::Fn(item) => item.sig.ident.to_token_stream(),
        Item::Trait(item) => item.ident.to_token_stream(),
        Item::Type(item) => item.ident.to_token_stream(),
        Item::Union(item) => item.ident.to_token_stream(),
        Item::Impl(item) => item.impl_token.to_token_stream(),
        other => other.to_token_stream().into_iter().take(1).collect(),
    }
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

fn strip_other(item: &mut Item) {
    match item {
        Item::Enum(item) => item.variants.iter_mut().for_each(|variant| strip(&mut variant.fields)),
        Item::Union(item) => item.fields.named.iter_mut().for_each(strip_field),
        _ => {}
    }
}

/// Takes the attributes off that only the macro knows.
fn strip(fields: &mut Fields) {
    fields.iter_mut().for_each(strip_field);
}

fn strip_field(field: &mut Field) {
    field.attrs.retain(|attribute| !attribute.path().is_ident("config") && !attribute.path().is_ident("state"));
}

fn config_ident(ident: &Ident) -> Ident {
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

fn field(Setting { name, doc, ty, fallback, range, .. }: &Setting) -> TokenStream {
    let written = text(ty);
    let default = fallback.iter().map(|fallback| shown(ty, fallback));
    let range = range.iter().map(|range| &range.text);
    quote!(::goworker::__private::Field::new::<#ty>(#name, #written, #doc) #(.or(#default))* #(.within(#range))*)
}

fn shown(ty: &Type, Fallback { value, text, is_ron }: &Fallback) -> TokenStream {
    if *is_ron {
        return quote!(#text);
    }
    quote!({
        use ::goworker::__private::{InRon as _, InRust as _};
        let value: #ty = #value;
        (&::goworker::__private::Shown(value)).text(#text)
    })
}

/// Reads one field into a variable of its name. All are read before one is missed, so that all mistakes are noted.
fn read(reader: &Ident, Setting { ident, name, ty, fallback, range, .. }: &Setting) -> TokenStream {
    let value = match fallback {
        Some(Fallback { value, .. }) => quote!(#reader.optional::<#ty>(#name, || #value)),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The expansion as a person reads it. `submit!` stays a macro: it is tokens to prettyplease.
    fn expanded(attribute: Attribute, args: TokenStream, item: TokenStream) -> String {
        let file = syn::parse2(expand(attribute, args, item)).expect("an expansion parses");
        prettyplease::unparse(&file)
    }

    #[test]
    fn a_worker_with_every_sort_of_setting() {
        let expansion = expanded(
            Attribute::Worker,
            quote!(),
            quote! {
                /// Resizes a picture.
                ///
                /// Keeps its shape.
                #[derive(Debug)]
                pub struct Resize {
                    /// JPEG quality, 1 to 100.
                    #[config(default = 85, range = 1..=100)]
                    quality: u8,
                    /// Folder that receives the result.
                    output: PathBuf,
                    /// Optional caption.
                    caption: Option<String>,
                    /// How far to turn it.
                    #[config(default = -90, range = -180..=180)]
                    r#type: Option<i16>,
                    /// How long a picture may take.
                    #[config(default = "30s", range = "1s"..)]
                    patience: goworker::units::Dur,
                    /// What to do with the original.
                    #[config(default = After::Keep)]
                    after: After,
                    /// Labels.
                    #[config(default)]
                    labels: BTreeMap<String, String>,
                    #[state]
                    done: AtomicU64,
                }
            },
        );
        insta::assert_snapshot!(expansion);
    }

    #[test]
    fn a_provider_with_a_name_of_its_own() {
        let expansion = expanded(
            Attribute::Provider,
            quote!(name = "inbox"),
            quote! {
                /// Takes jobs from a folder.
                struct Folder {
                    /// The folder.
                    #[config(default = "inbox")]
                    path: PathBuf,
                }
            },
        );
        insta::assert_snapshot!(expansion);
    }

    #[test]
    fn a_queue_without_settings() {
        let expansion = expanded(
            Attribute::Provider,
            quote!(queue),
            quote! {
                /// Keeps jobs in memory.
                pub(crate) struct Memory {
                    #[state]
                    jobs: Jobs,
                }
            },
        );
        insta::assert_snapshot!(expansion);
    }

    #[test]
    fn a_unit_struct() {
        let expansion = expanded(
            Attribute::Worker,
            quote!(),
            quote!(
                /** Does nothing. */
                pub struct Noop;
            ),
        );
        insta::assert_snapshot!(expansion);
    }

    #[test]
    fn the_item_is_given_back_beside_its_faults() {
        let expansion = expanded(
            Attribute::Worker,
            quote!(nmae = "echo"),
            quote! {
                /// Says it again.
                struct Echo {
                    #[config(defualt = 3)]
                    times: u32,
                    #[state]
                    done: u64,
                }
            },
        );
        insta::assert_snapshot!(expansion);
    }

    #[test]
    fn whatever_is_no_struct_is_given_back_too() {
        for item in [
            quote!(
                fn work() {}
            ),
            quote!(
                enum Work {
                    A {
                        #[config(default)]
                        a: u8,
                    },
                }
            ),
            quote!(union Work { #[state] a: u8 }),
            quote!(
                trait Work {}
            ),
            quote!(impl Work {}),
            quote!(
                struct Work(#[config(default)] u8);
            ),
            quote!(
                struct Work<T> {
                    #[state]
                    a: T,
                }
            ),
        ] {
            let expansion = expanded(Attribute::Worker, quote!(), item.clone());
            let keyword = item.into_iter().next().map(|token| token.to_string()).unwrap_or_default();
            assert!(expansion.starts_with(&keyword), "{expansion}");
            assert!(!expansion.contains("#[config") && !expansion.contains("#[state"), "{expansion}");
            assert!(expansion.contains("compile_error"), "{expansion}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_is_given_back_as_it_is() {
        let expansion = expand(Attribute::Worker, quote!(), quote!(pub struct Echo { times: }));
        assert!(expansion.to_string().starts_with("pub struct Echo { times : }"), "{expansion}");
    }
}
