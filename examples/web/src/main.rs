//! A web application whose handlers enqueue jobs and wait for them. The daemon that runs them is another process.
//!
//! ```sh
//! cargo run -- examples/web/app.ron &
//! cargo run -p web -- examples/web/app.ron &
//! curl --json '{"pieces": 3}' localhost:8080/quotes
//! ```

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use goworker::client::{Client, WaitError};
use goworker::{Job, JobId};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = std::env::args().nth(1).unwrap_or_else(|| "app.ron".to_owned());
    let client = Client::open(config).await?;
    let routes = Router::new().route("/quotes", post(ask)).route("/quotes/{id}", get(look)).with_state(client);
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "localhost:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, routes).await?)
}

/// Enqueues a job; answers its result, or where to ask for it if that takes too long.
async fn ask(State(client): State<Client>, Json(order): Json<Value>) -> Result<Response, Failed> {
    let id = client.enqueue(Job::of("lua").name("quote").params(order)).await.map_err(WaitError::from)?;
    answer(&client, &id, Duration::from_secs(2)).await
}

async fn look(State(client): State<Client>, Path(id): Path<JobId>) -> Result<Response, Failed> {
    answer(&client, &id, Duration::ZERO).await
}

async fn answer(client: &Client, id: &JobId, at_most: Duration) -> Result<Response, Failed> {
    match client.wait(id, at_most).await {
        Ok(output) => Ok(Json(output.parse::<Value>()?).into_response()),
        Err(WaitError::TimedOut { .. }) => {
            Ok((StatusCode::ACCEPTED, Json(json!({ "ask_again": format!("/quotes/{id}") }))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// An error as an HTTP answer.
struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match self.0.downcast_ref() {
            Some(WaitError::Absent(_)) => StatusCode::NOT_FOUND,
            Some(WaitError::Dead { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            Some(WaitError::Client(_)) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}
