//! `failure_handlers`: names of workers, or jobs of their own making.

use std::rc::Rc;

use crate::outcome::FailureHandler;
use crate::settings::{Reader, SourceText, elements, read, suggest};

/// Reads the list; `workers` are the names that it may refer to.
pub(super) fn read_handlers<'a>(source: &'a SourceText<'a>, top: &mut Reader<'a>, workers: &[String]) -> Vec<FailureHandler> {
    let Some(raw) = top.take("failure_handlers") else { return Vec::new() };
    let elements = match elements(source, raw) {
        Ok(elements) => elements,
        Err(fault) => {
            top.fault("failure_handlers", fault);
            return Vec::new();
        }
    };
    let mut handlers: Vec<FailureHandler> = Vec::new();
    for (index, raw) in elements.into_iter().enumerate() {
        let path = format!("failure_handlers[{index}]");
        let handler = if raw.starts_with('(') { read_job(source, top, &path, raw) } else { read_name(source, top, &path, raw) };
        if let Some(mut handler) = handler {
            check_type(source, top, &path, raw, &handler.job_type, workers);
            make_unique(&mut handler, &handlers);
            handlers.push(handler);
        }
    }
    handlers
}

/// `"attic"`
fn read_name<'a>(source: &'a SourceText<'a>, top: &Reader<'a>, path: &str, raw: &'a str) -> Option<FailureHandler> {
    match read::<String>(source, raw) {
        Ok(name) => Some(FailureHandler { name: name.clone(), job_type: name, job_name: None, params: serde_json::Map::new() }),
        Err(_) => {
            let help = "write `\"attic\"`, or `(type: \"lua\", name: \"report_failure\", params: {..})`".to_owned();
            top.error(path, source.span(raw), "expected the name of a worker, or a job".to_owned(), Some(help));
            None
        }
    }
}

/// `(type: "lua", name: "report_failure", params: {..})`
fn read_job<'a>(source: &'a SourceText<'a>, top: &Reader<'a>, path: &str, raw: &'a str) -> Option<FailureHandler> {
    let mut job = Reader::new(source, Rc::clone(top.notes()), path.to_owned(), source.span(raw), raw);
    // `type` is a word of Rust, so the reader's own fields cannot have that name, but a config may.
    let job_type: Option<String> = job.required("type");
    let job_name: Option<String> = job.given("name");
    let params = job.given("params").unwrap_or_default();
    job.finish(&["type", "name", "params"]);
    let job_type = job_type?;
    Some(FailureHandler { name: job_type.clone(), job_type, job_name, params })
}

fn check_type(source: &SourceText<'_>, top: &Reader<'_>, path: &str, raw: &str, job_type: &str, workers: &[String]) {
    if !workers.iter().any(|worker| worker == job_type) {
        let known: Vec<&str> = workers.iter().map(String::as_str).collect();
        let span = raw.find(job_type).map_or(source.span(raw), |at| source.span(&raw[at..at + job_type.len()]));
        top.error(path, span, format!("there is no worker `{job_type}`"), Some(suggest(job_type, "workers", &known)));
    }
}

/// The ids of handler jobs are made of the handlers' names, so two of one type need two names.
fn make_unique(handler: &mut FailureHandler, others: &[FailureHandler]) {
    let same = others.iter().filter(|other| other.job_type == handler.job_type).count();
    if same > 0 {
        handler.name = format!("{}-{}", handler.job_type, same + 1);
    }
}
