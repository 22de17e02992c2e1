//! The whole macro: reads, checks, writes. The item is given back whatever happens, so that one fault does not cause
//! others elsewhere.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Field, Fields, FnArg, Item, ItemFn, ItemStruct};

use crate::args::{Args, Attribute};
use crate::component::Component;
use crate::faults::Faults;
use crate::field_args::{is_conditional, is_ours};
use crate::function::Function;
use crate::{write, write_function};

/// The item with what was written for it, and an error for each fault.
pub(crate) fn expand(attribute: Attribute, args: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let args = Args::parse(attribute, args, &mut faults);
    let expansion = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(item)) => plugin(args, item, &mut faults),
        Ok(Item::Fn(item)) if attribute == Attribute::Worker => function(args, item, &mut faults),
        Ok(mut other) => {
            faults.at(name_of(&other), attribute.place());
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
        let (vis, config) = (&item.vis, write::config_ident(&item.ident));
        return quote!(#item #[allow(missing_docs, missing_debug_implementations)] #vis struct #config {});
    };
    let plugin = if faults.is_empty() { write::plugin(&component) } else { write::config(&component) };
    quote!(#item #plugin)
}

fn function(args: Args, mut item: ItemFn, faults: &mut Faults) -> TokenStream {
    let function = Function::check(args, &item, faults);
    strip_arguments(&mut item);
    let plugin = function.map(|function| match faults.is_empty() {
        true => write_function::plugin(&function),
        false => write_function::config(&function),
    });
    quote!(#item #plugin)
}

fn strip_other(item: &mut Item) {
    match item {
        Item::Fn(item) => strip_arguments(item),
        Item::Enum(item) => item.variants.iter_mut().for_each(|variant| strip(&mut variant.fields)),
        Item::Union(item) => item.fields.named.iter_mut().for_each(strip_field),
        _ => {}
    }
}

/// Takes the attributes off arguments that only the macro knows; doc comments too, which the compiler refuses there.
fn strip_arguments(item: &mut ItemFn) {
    for input in &mut item.sig.inputs {
        if let FnArg::Typed(argument) = input {
            argument.attrs.retain(|attribute| !is_ours(attribute) && !is_conditional(attribute) && !attribute.path().is_ident("doc"));
        }
    }
}

/// Takes the attributes off that only the macro knows.
fn strip(fields: &mut Fields) {
    fields.iter_mut().for_each(strip_field);
}

fn strip_field(field: &mut Field) {
    field.attrs.retain(|attribute| !is_ours(attribute) && !is_conditional(attribute));
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
                    #[config(example = "thumbnails")]
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
                fn work(#[config(default)] a: u8, #[state] b: u8) {}
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
    fn a_function_with_all_sorts_of_arguments() {
        let expansion = expanded(
            Attribute::Worker,
            quote!(since = "0.1.0", stability = experimental),
            quote! {
                /// Makes a thumbnail.
                #[allow(clippy::too_many_arguments)]
                pub async fn make_thumbnail(
                    Picture { path, .. }: Picture,
                    job: &goworker::Job,
                    ctx: &Context,
                    /// JPEG quality.
                    #[config(default = 85, range = 1..=100)]
                    mut quality: u8,
                    /// Folder that receives the result.
                    #[config]
                    output: &Path,
                ) -> anyhow::Result<Thumbnail> {
                    work(path).await
                }
            },
        );
        insta::assert_snapshot!(expansion);
    }

    #[test]
    fn a_function_that_blocks_and_takes_nothing() {
        let expansion = expanded(
            Attribute::Worker,
            quote!(name = "tick", crate = gw),
            quote!(
                /** Ticks. */
                fn r#loop() {}
            ),
        );
        insta::assert_snapshot!(expansion);
    }

    #[test]
    fn what_cannot_be_parsed_is_given_back_as_it_is() {
        let expansion = expand(Attribute::Worker, quote!(), quote!(pub struct Echo { times: }));
        assert!(expansion.to_string().starts_with("pub struct Echo { times : }"), "{expansion}");
    }
}
