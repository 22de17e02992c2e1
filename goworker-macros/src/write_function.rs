//! Writes the struct that runs a function. The function itself stays as it is.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::component::Component;
use crate::function::{Argument, Function};
use crate::setting::Setting;
use crate::write::{self, local};

/// All that makes a function a plugin.
pub(crate) fn plugin(function: &Function) -> TokenStream {
    let Component { goworker, .. } = &function.component;
    let schema = function.params().map(|ty| {
        quote!(.params_as(|| {
            #[allow(unused_imports, reason = "one of both ways is taken")]
            use #goworker::__private::HasNoSchema as _;
            #goworker::__private::ParamsSchema::<#ty>::new().find()
        }))
    });
    let (config, settings) = (config(function), write::settings(&function.component));
    let registration = write::registered(&function.component, &quote!(#schema));
    let worker = worker(function);
    quote!(#config #settings #registration #worker)
}

/// The structs that the user's own code may name.
pub(crate) fn config(Function { component, ident: function, .. }: &Function) -> TokenStream {
    let Component { vis, ident, settings, .. } = component;
    let doc = format!(" Runs `{}` as a worker.", function.unraw());
    let fields = settings.iter().map(|Setting { ident, ty, .. }| quote!(#ident: #ty));
    let config = write::config(component);
    quote! {
        #[doc = #doc]
        #[allow(missing_debug_implementations, reason = "settings may be secret")]
        #vis struct #ident {
            #(#fields,)*
        }
        #config
    }
}

fn worker(function: &Function) -> TokenStream {
    let Function { component: Component { ident, goworker, .. }, ident: called, is_async, returns, .. } = function;
    let (job, ctx, params) = (local("job"), local("ctx"), local("params"));
    let read = function.params().map(|ty| quote!(let #params = <#ty as #goworker::__private::AsParams>::of(#job)?;));
    let arguments = function.arguments.iter().map(|argument| match argument {
        Argument::Job => quote!(#job),
        Argument::Context => quote!(#ctx),
        Argument::Params(_) => quote!(#params),
        Argument::Setting { ident, is_reference } => setting(function, ident, *is_reference),
    });
    let call = quote!(#called(#(#arguments),*));
    let returned = if *is_async { quote!(#call.await) } else { quote!(#goworker::__private::blocking(|| #call)) };
    // Where the user says what is returned, so that a type which cannot be is reported there.
    let value = Ident::new("returned", Span::mixed_site().located_at(*returns));
    let conclude = quote_spanned!(*returns=> Returned(#value).conclude());
    quote! {
        #[automatically_derived]
        impl #goworker::__private::Worker for #ident {
            async fn work(
                &self,
                #job: &#goworker::__private::Job,
                #ctx: &#goworker::__private::Context,
            ) -> #goworker::__private::WorkResult {
                #read
                let #value = #returned;
                {
                    #[allow(unused_imports, reason = "one of both ways is taken")]
                    use #goworker::__private::{CannotFail as _, Returned};
                    #conclude
                }
            }
        }
    }
}

fn setting(function: &Function, ident: &Ident, is_reference: bool) -> TokenStream {
    if is_reference {
        return quote!(&self.#ident);
    }
    let settings = &function.component.settings;
    let ty = settings.iter().find(|setting| setting.ident == *ident).map(|setting| &setting.ty);
    quote_spanned!(ty.span()=> <#ty as ::core::clone::Clone>::clone(&self.#ident))
}
