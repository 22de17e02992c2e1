//! A server of HTTP on loopback that notes what it is asked, and answers as it is told: well, badly, or never.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A server in this process, until the process ends.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Debug, Default)]
struct Noted {
    connections: usize,
    requests: Vec<Request>,
    /// Connections that the client broke off.
    broken: usize,
}

/// A request as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The method and the target: `POST /orders?x=1`.
    pub line: String,
    /// Names in lower case, and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

/// An answer with this status (`200 OK`), these headers, and a body.
pub fn answer(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl HttpServer {
    /// Starts a server on 127.0.0.1 that writes what this answers to each request.
    pub fn start(answers: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        HttpServer::start_raw(move |request, stream| stream.write_all(&answers(request)))
    }

    /// Starts a server that does this with each connection after a request has been read. An error closes the connection.
    pub fn start_raw(serves: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        HttpServer::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), serves).expect("a port can be had")
    }

    /// Starts a server at an address of this machine.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn start_at(
        address: SocketAddr,
        serves: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let noted = Arc::new(Mutex::new(Noted::default()));
        let (notes, serves) = (Arc::clone(&noted), Arc::new(serves));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                note(&notes).connections += 1;
                let (notes, serves) = (Arc::clone(&notes), Arc::clone(&serves));
                std::thread::spawn(move || {
                    if serve(stream, &notes, &*serves).is_err() {
                        note(&notes).broken += 1;
                    }
                });
            }
        });
        Ok(HttpServer { address, noted })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it listens.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        note(&self.noted).requests.clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        note(&self.noted).connections
    }

    /// How many connections broke while it served them.
    pub fn broken(&self) -> usize {
        note(&self.noted).broken
    }
}

fn note(noted: &Mutex<Noted>) -> std::sync::MutexGuard<'_, Noted> {
    noted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the requests of a connection, one after the other.
fn serve(
    stream: TcpStream,
    noted: &Mutex<Noted>,
    serves: &(impl Fn(&Request, &mut TcpStream) -> io::Result<()> + ?Sized),
) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        note(noted).requests.push(request.clone());
        serves(&request, &mut writer)?;
    }
    Ok(())
}

/// The next request; nothing if there is no more.
pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut request = Request::default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) if !request.line.is_empty() => request.headers.push((name.to_ascii_lowercase(), value.to_owned())),
            _ => request.line = line.trim_end_matches(" HTTP/1.1").to_owned(),
        }
    }
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}

/// Waits until the other side has closed the connection.
///
/// # Errors
/// Always: the connection is of no more use.
pub fn never_answer(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let _what_comes_is_of_no_interest = stream.read(&mut [0; 1])?;
    Err(io::ErrorKind::ConnectionAborted.into())
}
