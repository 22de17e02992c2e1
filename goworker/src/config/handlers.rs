//! `failure_handlers`: names of workers, or jobs of their own making.

use std::rc::Rc;

use crate::outcome::FailureHandler;
use crate::settings::{Reader, SourceText, Span, elements, read, suggest};

use super::core_settings::home;

/// Reads the list; `workers` are the names that it may refer to.
pub(super) fn read_handlers<'a>(source: &'a SourceText<'a>, top: &mut Reader<'a>, workers: &[String]) -> Vec<FailureHandler> {
    let Some(raw) = top.take("failure_handlers") else { return Vec::new() };
    let list = List { source, top, workers };
    match elements(source, raw) {
        Ok(elements) => list.read(elements),
        Err(fault) => {
            top.fault("failure_handlers", fault);
            Vec::new()
        }
    }
}

/// The list while it is read.
struct List<'a, 'r> {
    source: &'a SourceText<'a>,
    top: &'r Reader<'a>,
    workers: &'r [String],
}

impl<'a> List<'a, '_> {
    fn read(&self, elements: Vec<&'a str>) -> Vec<FailureHandler> {
        let mut handlers: Vec<FailureHandler> = Vec::new();
        for (index, raw) in elements.into_iter().enumerate() {
            let path = format!("failure_handlers[{index}]");
            let Some((mut handler, job_type)) = self.handler(&path, raw) else { continue };
            if handlers.iter().any(|other| same_job(other, &handler)) {
                let message = format!("`{}` is a failure handler already", handler.job_type);
                self.top.error(&path, self.source.span(raw), message, Some("keep one of them".to_owned()));
            }
            self.check_type(job_type, &handler.job_type);
            make_unique(&mut handler, &handlers);
            handlers.push(handler);
        }
        handlers
    }

    /// `"attic"`, or `(type: "lua", name: "report_failure", params: {..})`; and where its type stands.
    fn handler(&self, path: &str, raw: &'a str) -> Option<(FailureHandler, TypePlace)> {
        if raw.starts_with('(') {
            return self.job(path, raw);
        }
        let Ok(name) = read::<String>(self.source, raw) else {
            let help = "write `\"attic\"`, or `(type: \"lua\", name: \"report_failure\", params: {..})`".to_owned();
            self.top.error(path, self.source.span(raw), "expected the name of a worker, or a job".to_owned(), Some(help));
            return None;
        };
        let handler = FailureHandler { name: name.clone(), job_type: name, job_name: None, params: serde_json::Map::new() };
        Some((handler, TypePlace { path: path.to_owned(), span: self.source.span(raw) }))
    }

    fn job(&self, path: &str, raw: &'a str) -> Option<(FailureHandler, TypePlace)> {
        let mut job = Reader::new(self.source, Rc::clone(self.top.notes()), path.to_owned(), self.source.span(raw), raw);
        // `type` is a word of Rust, so the reader's own fields cannot have that name, but a config may.
        let job_type: Option<String> = job.required("type");
        let job_name: Option<String> = job.given("name");
        let params = job.given("params").unwrap_or_default();
        let place = TypePlace { path: job.path_to("type"), span: job.value_span("type") };
        job.finish(&["type", "name", "params"], home);
        let job_type = job_type?;
        Some((FailureHandler { name: job_type.clone(), job_type, job_name, params }, place))
    }

    fn check_type(&self, TypePlace { path, span }: TypePlace, job_type: &str) {
        if !self.workers.iter().any(|worker| worker == job_type) {
            let known: Vec<&str> = self.workers.iter().map(String::as_str).collect();
            self.top.error(&path, span, format!("there is no worker `{job_type}`"), Some(suggest(job_type, "workers", &known)));
        }
    }
}

/// Where a handler's type stands.
struct TypePlace {
    path: String,
    span: Span,
}

fn same_job(one: &FailureHandler, other: &FailureHandler) -> bool {
    (&one.job_type, &one.job_name, &one.params) == (&other.job_type, &other.job_name, &other.params)
}

/// The ids of handler jobs are made of the handlers' names, so two of one type need two names.
fn make_unique(handler: &mut FailureHandler, others: &[FailureHandler]) {
    let mut number = 1;
    while others.iter().any(|other| other.name == handler.name) {
        number += 1;
        handler.name = format!("{}-{number}", handler.job_type);
    }
}
