//! Writes the code of a plugin. No decisions are left here: whatever could be understood is expanded.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use crate::args::{DefaultValue, Faults};
use crate::component::{Component, Kind, Setting, Understood, last_segment, source, understand};

/// The user's item, what makes it a plugin, and all faults. The item comes back whatever happens, so that editors and
/// later errors see it.
pub(crate) fn expand(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let Understood { item, component } = understand(kind, args, item, &mut faults);
    let errors = faults.into_tokens();
    let plugin = component.map(|component| {
        let config = component.config();
        // With a fault anywhere the registration would only add follow-up errors.
        let registration = errors.is_empty().then(|| component.registration());
        quote!(#config #registration)
    });
    quote!(#item #plugin #errors)
}

impl Component {
    /// The config struct, and how the plugin is made of it.
    fn config(&self) -> TokenStream {
        let Component { visibility, ident, state, .. } = self;
        let config = format_ident!("{ident}Config", span = ident.span());
        let doc = format!("Settings of [`{ident}`].");
        let fields =
            self.settings.iter().map(|Setting { ident, ty, doc_attributes, .. }| quote!(#(#doc_attributes)* #visibility #ident: #ty));
        let settings: Vec<_> = self.settings.iter().map(|setting| &setting.ident).collect();
        let unused = settings.is_empty().then(|| quote!(let _ = config;));
        let built = if self.is_unit {
            quote!(#ident)
        } else {
            quote!(#ident { #(#settings: config.#settings,)* #(#state: ::core::default::Default::default(),)* })
        };
        quote! {
            #[doc = #doc]
            #[allow(missing_debug_implementations, reason = "settings may hold secrets")]
            #visibility struct #config { #(#fields,)* }

            impl ::core::convert::From<#config> for #ident {
                fn from(config: #config) -> Self {
                    #unused
                    #built
                }
            }
        }
    }

    /// How the settings are read, and the entry in the registry.
    fn registration(&self) -> TokenStream {
        let Component { ident, name, doc, .. } = self;
        let config = format_ident!("{ident}Config", span = ident.span());
        let fields = self.settings.iter().map(Setting::field);
        let reads = self.settings.iter().map(Setting::read);
        let settings: Vec<_> = self.settings.iter().map(|setting| &setting.ident).collect();
        let register = match (self.kind, self.queue) {
            (Kind::Provider, true) => "queue",
            (Kind::Provider, false) => "provider",
            (Kind::Worker, _) => "worker",
        };
        let register = format_ident!("{register}");
        // Spanned at the struct's name, so that a missing `impl Worker for ..` is reported there.
        let registered = quote_spanned!(ident.span()=> ::goworker::__private::Registration::#register::<#ident, #config>);
        quote! {
            const _: () = {
                impl ::goworker::__private::Settings for #config {
                    fn fields() -> ::std::vec::Vec<::goworker::__private::Field> {
                        ::std::vec![#(#fields),*]
                    }

                    fn read(reader: &mut ::goworker::__private::Reader<'_>) -> ::core::option::Option<Self> {
                        let _ = &reader;
                        // All are read before any is missed, so that every mistake is noted.
                        #(#reads)*
                        ::core::option::Option::Some(Self { #(#settings: #settings?,)* })
                    }
                }

                ::goworker::__private::inventory::submit! {
                    #registered(#name, #doc, ::goworker::__private::Origin {
                        crate_name: ::core::env!("CARGO_PKG_NAME"),
                        crate_version: ::core::env!("CARGO_PKG_VERSION"),
                        file: ::core::file!(),
                        line: ::core::line!(),
                    })
                }
            };
        }
    }
}

impl Setting {
    fn field(&self) -> TokenStream {
        let Setting { ident, ty, doc, .. } = self;
        let (name, written) = (ident.to_string(), source(ty));
        let default = self.default_text().map(|text| quote!(.or(#text)));
        let range = self.range.as_ref().map(|range| {
            let text = source(range);
            quote!(.within(#text))
        });
        let new = quote_spanned!(ty.span()=> ::goworker::__private::Field::new::<#ty>);
        quote!(#new(#name, #written, #doc)#default #range)
    }

    fn read(&self) -> TokenStream {
        let Setting { ident, ty, .. } = self;
        let name = ident.to_string();
        let value = match self.default_value() {
            Some(default) => quote_spanned!(ty.span()=> reader.optional::<#ty>(#name, || #default)),
            None => quote_spanned!(ty.span()=> reader.required::<#ty>(#name)),
        };
        match &self.range {
            Some(range) => quote! {
                let #ident = #value;
                let #ident = reader.within(#name, #ident, #range);
            },
            None => quote!(let #ident = #value;),
        }
    }

    /// The default as an expression of the setting's type. Text becomes whatever the type makes of text: a duration
    /// or a size is parsed by the compiler, anything else is converted by `Into`.
    fn default_value(&self) -> Option<TokenStream> {
        let Setting { ty, .. } = self;
        match &self.default {
            None => crate::component::is_option(ty).then(|| quote!(::core::option::Option::None)),
            Some(DefaultValue::OfType) => Some(quote!(::core::default::Default::default())),
            Some(DefaultValue::Value(text @ Expr::Lit(ExprLit { lit: Lit::Str(_), .. }))) => {
                let has_unit = last_segment(ty).is_some_and(|name| name == "Dur" || name == "Size");
                Some(if has_unit {
                    quote_spanned!(text.span()=> const { <#ty>::literal(#text) })
                } else {
                    quote!(::core::convert::Into::into(#text))
                })
            }
            Some(DefaultValue::Value(expr)) => Some(quote!(#expr)),
        }
    }
}
