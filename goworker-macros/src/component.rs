//! The model of a plugin: what the attribute and the struct say together, with every fault noted.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, ExprLit, Field, Fields, Ident, Item, ItemStruct, Lit, LitStr, Meta, Type, Visibility};

use crate::args::{ConfigArgs, DefaultValue, Faults, KindArgs, check_state};

/// Which attribute it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Provider,
    Worker,
}

impl Kind {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Kind::Provider => "#[provider]",
            Kind::Worker => "#[worker]",
        }
    }

    pub(crate) fn known_arguments(self) -> &'static str {
        match self {
            Kind::Provider => "`name = \"..\"` and `queue`",
            Kind::Worker => "`name = \"..\"`",
        }
    }

    /// Settings that every entry of this kind has; the core takes them before the plugin sees its own.
    fn common_settings(self) -> &'static [&'static str] {
        match self {
            Kind::Provider => &["into", "lease", "keep", "rate"],
            Kind::Worker => &["concurrency", "timeout", "retry"],
        }
    }
}

/// A plugin, as far as it could be understood.
pub(crate) struct Component {
    pub(crate) kind: Kind,
    pub(crate) queue: bool,
    /// The kind's name in a config.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    pub(crate) settings: Vec<Setting>,
    pub(crate) state: Vec<Ident>,
    /// How the struct is built: `X`, or `X { .. }`.
    pub(crate) is_unit: bool,
}

/// A field that is set in the config.
pub(crate) struct Setting {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) doc: String,
    pub(crate) doc_attributes: Vec<Attribute>,
    pub(crate) default: Option<DefaultValue>,
    pub(crate) range: Option<Expr>,
}

/// The user's item without our attributes, and the plugin if there is enough to make one of.
pub(crate) struct Understood {
    pub(crate) item: TokenStream,
    pub(crate) component: Option<Component>,
}

pub(crate) fn understand(kind: Kind, args: TokenStream, item: TokenStream, faults: &mut Faults) -> Understood {
    let args = KindArgs::parse(kind, args, faults);
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(mut item)) => {
            let component = Component::new(kind, args, &mut item, faults);
            Understood { item: quote::quote!(#item), component }
        }
        Ok(other) => {
            faults.at(first_token(&other), format!("`{}` goes on a struct with named fields, the plugin's settings", kind.attribute()));
            Understood { item, component: None }
        }
        Err(error) => {
            faults.add(error);
            Understood { item, component: None }
        }
    }
}

/// An error about a whole item is shown at its keyword or name: underlining all of its lines helps nobody.
fn first_token(item: &Item) -> TokenStream {
    match item {
        Item::Fn(function) => {
            let ident = &function.sig.ident;
            quote::quote!(#ident)
        }
        Item::Enum(item) => {
            let ident = &item.ident;
            quote::quote!(#ident)
        }
        other => quote::quote!(#other),
    }
}

impl Component {
    fn new(kind: Kind, args: KindArgs, item: &mut ItemStruct, faults: &mut Faults) -> Option<Self> {
        let doc = doc_text(&item.attrs);
        if doc.is_empty() {
            faults.at(&item.ident, "add a doc comment (`/// ..`): `goworker list` shows its first line");
        }
        let generic = !item.generics.params.is_empty();
        if generic {
            faults.at(&item.generics, "a plugin is built by its name in a config, so it cannot be generic");
        }
        let mut component = Component {
            kind,
            queue: args.queue,
            name: args.name.as_ref().map_or_else(|| item.ident.to_string().to_lowercase(), LitStr::value),
            doc,
            visibility: item.vis.clone(),
            ident: item.ident.clone(),
            settings: Vec::new(),
            state: Vec::new(),
            is_unit: matches!(item.fields, Fields::Unit),
        };
        match &mut item.fields {
            Fields::Named(fields) => fields.named.iter_mut().for_each(|field| component.add_field(field, faults)),
            Fields::Unit => {}
            Fields::Unnamed(fields) => {
                faults.at(&*fields, "name the fields: settings are looked up by field name");
                strip(fields.unnamed.iter_mut());
                return None;
            }
        }
        (!generic).then_some(component)
    }

    fn add_field(&mut self, field: &mut Field, faults: &mut Faults) {
        let Some(ident) = field.ident.clone() else { return };
        let mut config = ConfigArgs::default();
        let mut state = None;
        let mut has_config = false;
        for attribute in &field.attrs {
            if attribute.path().is_ident("config") {
                has_config = true;
                config.parse(attribute, faults);
            } else if attribute.path().is_ident("state") {
                check_state(attribute, faults);
                if state.replace(attribute.clone()).is_some() {
                    faults.at(attribute, "`#[state]` is given twice");
                }
            }
        }
        if let Some(state) = state {
            if has_config {
                faults.at(&state, "a field is either configuration or state: keep one of `#[config]` and `#[state]`");
            }
            self.state.push(ident);
        } else {
            self.add_setting(field, ident, config, faults);
        }
        strip([field].into_iter());
    }

    fn add_setting(&mut self, field: &Field, ident: Ident, config: ConfigArgs, faults: &mut Faults) {
        let name = ident.to_string();
        let doc = doc_text(&field.attrs);
        if doc.is_empty() {
            faults.at(&ident, "add a doc comment (`/// ..`): `goworker describe` shows it; or mark the field `#[state]`");
        }
        if self.kind.common_settings().contains(&name.as_str()) {
            let kind = if self.kind == Kind::Worker { "worker" } else { "provider" };
            faults.at(&ident, format!("every {kind} has a setting `{name}` already; choose another name"));
        }
        if let Some(range) = config.range.as_ref().filter(|_| is_option(&field.ty)) {
            faults.at(range, "an `Option` has no range; give the setting a default instead");
        }
        let doc_attributes = field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect();
        self.settings.push(Setting { ident, ty: field.ty.clone(), doc, doc_attributes, default: config.default, range: config.range });
    }
}

impl Setting {
    /// The default as RON text, as it is shown to users.
    pub(crate) fn default_text(&self) -> Option<String> {
        match &self.default {
            Some(DefaultValue::Value(expr)) => Some(source(expr)),
            Some(DefaultValue::OfType) => Some("(the type's default)".to_owned()),
            None => is_option(&self.ty).then(|| "None".to_owned()),
        }
    }
}

fn strip<'a>(fields: impl Iterator<Item = &'a mut Field>) {
    for field in fields {
        field.attrs.retain(|attribute| !attribute.path().is_ident("config") && !attribute.path().is_ident("state"));
    }
}

/// The lines of a doc comment, without the space that follows `///`.
fn doc_text(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<String> = attributes.iter().filter_map(line).map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

pub(crate) fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|ident| ident == "Option")
}

/// The name of a type, without its path.
pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

/// Code as a person would write it: tokens print with a space between any two.
pub(crate) fn source(tokens: impl quote::ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, close) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        (" , ", ", "),
        (" ..= ", "..="),
        (" .. ", ".."),
        ("- ", "-"),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
    ] {
        text = text.replace(spaced, close);
    }
    text
}
