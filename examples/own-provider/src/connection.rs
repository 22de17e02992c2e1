//! The line protocol of the server: one command a line; `* ..` lines answer it, then `OK` or `NO reason`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection(BufStream<TcpStream>);

/// A server that says nothing for so long is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);

impl Connection {
    pub(crate) async fn open(server: &str) -> io::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(server)).await??;
        Ok(Connection(BufStream::new(stream)))
    }

    /// Sends a command; answers the lines of the answer.
    pub(crate) async fn ask(&mut self, command: &str) -> io::Result<Vec<String>> {
        timeout(PATIENCE, self.converse(command)).await?
    }

    async fn converse(&mut self, command: &str) -> io::Result<Vec<String>> {
        self.0.write_all(format!("{command}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        let mut answer = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "OK" => return Ok(answer),
                line => match line.strip_prefix("* ") {
                    Some(line) => answer.push(line.to_owned()),
                    None => return Err(io::Error::other(format!("`{command}` was answered with `{line}`"))),
                },
            }
        }
    }
}
