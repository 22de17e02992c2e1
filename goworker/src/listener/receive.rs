//! A request, received in full: nothing behind this waits for a client.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{Request, StatusCode, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Refusal;
use super::gate::Gate;
use crate::units::{Dur, Size};

/// What a request has to keep to.
pub(super) struct Rules {
    pub(super) gate: Gate,
    /// The longest body.
    pub(super) limit: Size,
    /// How long a body may take to arrive.
    pub(super) patience: Duration,
    /// Room for the bodies of all requests together, a permit for each byte.
    room: Arc<Semaphore>,
}

/// The room that a body takes up.
pub(super) type Room = Option<OwnedSemaphorePermit>;

impl Rules {
    pub(super) fn new(gate: Gate, limit: Size, patience: Duration) -> Self {
        const ROOM: usize = 32 << 20;
        let room = usize::try_from(limit.bytes().saturating_mul(4)).unwrap_or(usize::MAX).clamp(ROOM, Semaphore::MAX_PERMITS);
        Rules { gate, limit, patience, room: Arc::new(Semaphore::new(room)) }
    }

    /// Lets a request in, and reads its body.
    pub(super) async fn receive(&self, request: Request<Incoming>) -> Result<(Request<Body>, Room), Refusal> {
        let (head, body) = request.into_parts();
        self.gate.check(&head)?;
        self.check_body(&head)?;
        let late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, format!("the request did not arrive within {}", Dur(self.patience)));
        let (bytes, room) = timeout(self.patience, self.read(body)).await.map_err(|_| late())??;
        Ok((Request::from_parts(head, Body::from(bytes)), room))
    }

    /// What can be said of a body before it is read.
    fn check_body(&self, head: &request::Parts) -> Result<(), Refusal> {
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.limit.bytes()) {
            return Err(self.too_large());
        }
        match head.headers.get(CONTENT_ENCODING) {
            Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
                Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a compressed body is not unpacked; send it as it is"))
            }
            _ => Ok(()),
        }
    }

    async fn read(&self, mut body: Incoming) -> Result<(Bytes, Room), Refusal> {
        let mut read = Vec::new();
        let mut room: Room = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if (read.len() + data.len()) as u64 > self.limit.bytes() {
                return Err(self.too_large());
            }
            let more = u32::try_from(data.len()).ok().and_then(|bytes| Arc::clone(&self.room).try_acquire_many_owned(bytes).ok());
            let more = more.ok_or_else(|| {
                let message = "too many requests arrive at once".to_owned();
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(Duration::from_secs(1))
            })?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            read.extend_from_slice(&data);
        }
        Ok((read.into(), room))
    }

    fn too_large(&self) -> Refusal {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is too large; {} are allowed", self.limit))
    }
}
