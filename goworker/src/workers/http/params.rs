//! What a job says about its request. The params are GoWorker's: `url`, `method`, `headers`, `url_params` and `body`, each with the
//! types that it took; beside them `timeout` and `expect`.

use std::collections::BTreeMap;

use goworker::units::Dur;
use goworker::{Context, Job, JobError};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::expect::Expect;
use super::headers;

/// A request; all but `url` may be left out, and that too if the worker has one.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "an object: {\"url\": \"https://..\", \"method\": \"POST\", \"body\": {..}}")]
#[schemars(transform = as_it_is_read)]
pub(super) struct Params {
    /// Where the request goes.
    url: Option<String>,
    /// GET if there is no body, otherwise POST.
    method: Option<String>,
    /// Headers; a list sends one several times.
    #[schemars(with = "Option<BTreeMap<String, Texts>>")]
    headers: Option<BTreeMap<String, Box<RawValue>>>,
    /// What is added to the URL, `?page=1`; a list adds one several times.
    // GoWorker's own name for it had a slip, so that it went by the name of its field.
    #[serde(alias = "UrlParams")]
    #[schemars(with = "Option<BTreeMap<String, Texts>>")]
    url_params: Option<BTreeMap<String, Box<RawValue>>>,
    /// Text is sent as it is, all else as JSON.
    #[schemars(with = "Option<Value>")]
    body: Option<Box<RawValue>>,
    /// How long the server may take.
    pub(super) timeout: Option<Dur>,
    /// The statuses that mean that the job is done; 2xx if left out.
    pub(super) expect: Expect,
    /// There if this is a failure handler's job: the body, unless there is another one.
    #[schemars(with = "Option<Value>")]
    failed: Option<Box<RawValue>>,
}

/// For the schema only: what stands for texts.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description, never a value")]
enum Texts {
    One(Option<Part>),
    Several(Vec<Option<Part>>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description, never a value")]
enum Part {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// A job may have no params at all, and GoWorker's name for one of them.
fn as_it_is_read(schema: &mut Schema) {
    schema.insert("type".to_owned(), serde_json::json!(["object", "null"]));
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties
        && let Some(url_params) = properties.get("url_params").cloned()
    {
        properties.insert("UrlParams".to_owned(), url_params);
    }
}

/// A request that is ready to be sent.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
}

impl Params {
    /// The request. `own` is the worker's URL, for a job that names none; `defaults` are headers that a job does not set itself.
    pub(super) fn request(&self, own: Option<&Url>, defaults: &HeaderMap, job: &Job, ctx: &Context) -> Result<Request, JobError> {
        let mut url = match &self.url {
            Some(text) => read_url(text).map_err(|why| JobError::at("params.url", why))?,
            None => own.cloned().ok_or_else(|| JobError::at("params.url", "missing; it says where the request goes"))?,
        };
        let mut added = Vec::new();
        for (name, value) in self.url_params.iter().flatten() {
            added.extend(texts(value, "params.url_params", name)?.into_iter().map(|text| (name, text)));
        }
        if !added.is_empty() {
            url.query_pairs_mut().extend_pairs(added);
        }
        let method = self.method()?;
        let (body, content_type) = self.body(&method);
        // Whoever writes jobs must not have the worker's secrets sent to a server of their own.
        let is_meant = own.is_none_or(|own| own.origin() == url.origin());
        let mut headers = if is_meant { defaults.clone() } else { HeaderMap::new() };
        if let Some(login) = headers::login(&url) {
            headers.insert(AUTHORIZATION, login);
        }
        self.set_headers(&mut headers)?;
        let mut set = |name: HeaderName, value: Option<&str>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.entry(name).or_insert(value);
            }
        };
        set(CONTENT_TYPE, content_type);
        set(headers::IDEMPOTENCY_KEY, Some(job.id.as_str()));
        set(headers::TRACEPARENT, job.traceparent.as_deref());
        headers.insert(headers::JOB_ATTEMPT, HeaderValue::from(ctx.attempt()));
        Ok(Request { method, url, headers, body })
    }

    fn method(&self) -> Result<Method, JobError> {
        let Some(text) = self.method.as_deref().filter(|text| !text.is_empty()) else {
            let is_bare = self.failed.is_none() && self.body.as_ref().is_none_or(|body| body.get() == "\"\"");
            return Ok(if is_bare { Method::GET } else { Method::POST });
        };
        // A proxy would take `CONNECT` for a word to itself.
        match Method::from_bytes(text.to_ascii_uppercase().as_bytes()) {
            Ok(method) if method != Method::CONNECT => Ok(method),
            _ => Err(JobError::at("params.method", format!("`{}` is no method; write GET, POST, PUT ..", text.escape_debug()))),
        }
    }

    /// The body and what it is: text as it is, all else as JSON, byte for byte.
    fn body(&self, method: &Method) -> (Option<String>, Option<&'static str>) {
        let has_none = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let Some(body) = self.body.as_deref().or(self.failed.as_deref().filter(|_| !has_none)) else { return (None, None) };
        match serde_json::from_str::<String>(body.get()) {
            Ok(text) if text.is_empty() => (None, None),
            Ok(text) => (Some(text), Some("text/plain; charset=utf-8")),
            Err(_) => (Some(body.get().to_owned()), Some("application/json")),
        }
    }

    /// Sets those of the job; they take the place of others.
    fn set_headers(&self, headers: &mut HeaderMap) -> Result<(), JobError> {
        for (name, value) in self.headers.iter().flatten() {
            let at = |why: String| JobError::at(format!("params.headers.{name}"), why);
            let key = headers::name(name).map_err(at)?;
            headers.remove(&key);
            for text in texts(value, "params.headers", name)? {
                headers.append(&key, headers::value(&text).map_err(at)?);
            }
        }
        Ok(())
    }
}

/// A URL that a request can go to. What is wrong with one is told without it: it may hold a password.
pub(super) fn read_url(text: &str) -> Result<Url, String> {
    let form = "write `https://HOST/PATH` or `http://HOST:PORT/PATH`";
    let url = Url::parse(text).map_err(|error| format!("this is no URL ({error}); {form}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(format!("`{scheme}` is no scheme of HTTP; {form}")),
    }
}

/// The texts that a value stands for: of one there is one, of a list several, of `null` none. Numbers keep all their digits.
fn texts(value: &RawValue, within: &str, name: &str) -> Result<Vec<String>, JobError> {
    let wrong = || JobError::at(format!("{within}.{name}"), "expected text, a number, `true` or `false`, or a list of those");
    let parts: Vec<Box<RawValue>> = match serde_json::from_str(value.get()) {
        Ok(parts) => parts,
        Err(_) => vec![value.to_owned()],
    };
    let text = |part: &RawValue| match serde_json::from_str(part.get()) {
        Ok(Value::String(text)) => Some(Ok(text)),
        Ok(Value::Null) => None,
        Ok(Value::Number(_) | Value::Bool(_)) => Some(Ok(part.get().to_owned())),
        _ => Some(Err(wrong())),
    };
    parts.iter().filter_map(|part| text(part)).collect()
}
