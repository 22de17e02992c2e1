//! A bad network between a Redis client and its server: a proxy on loopback that counts commands and does harm as told.
//!
//! It runs in a thread of its own, so that it works in a test that blocks and in one under virtual time alike.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to one command, chosen by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before the server has the command.
    DropRequest,
    /// The server does it, and the connection breaks instead of its reply. With commands before it still under way, it
    /// breaks at the first reply of those.
    DropReply,
}

/// What happens to all connections, for as long as it is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    #[default]
    Fair,
    /// Each command is held up for so long.
    Delay(Duration),
    /// New connections are closed at once; those there are go on.
    Refuse,
    /// New connections are accepted, everything is swallowed, and nothing is answered.
    BlackHole,
}

/// A proxy in this process. Its connections break when it is dropped.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// How often all connections were cut. Closed when the proxy is dropped.
    cuts: watch::Sender<u32>,
}

#[derive(Debug, Default)]
struct State {
    weather: Weather,
    /// The number of a command, from 1, and what becomes of it.
    fault: Option<(usize, Fault)>,
    log: Vec<String>,
}

impl TcpProxy {
    /// Starts a proxy before a server on this port of 127.0.0.1.
    pub fn start(server: u16) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (cuts, cut) = watch::channel(0);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("a socket can be");
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
            runtime.block_on(listen(listener, server, shared, cut));
        });
        TcpProxy { address, state, cuts }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sets what happens to all connections from now on.
    pub fn set(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Breaks all connections there are.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Empties the log, and lets the `n`-th command after that, from 1, meet with a fault. The commands after it pass.
    pub fn plan(&self, n: usize, fault: Fault) {
        let mut state = self.state();
        state.log.clear();
        state.fault = Some((n, fault));
    }

    /// The names of all commands so far, in the order in which they came, as the client wrote them.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(listener: std::net::TcpListener, server: u16, state: Arc<Mutex<State>>, cut: watch::Receiver<u32>) {
    let listener = TcpListener::from_std(listener).expect("it is a socket");
    let mut gone = cut.clone();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted,
            // Dropped: connections that still are there see the same and end with the runtime.
            () = async { while gone.changed().await.is_ok() {} } => return,
        };
        let Ok((client, _)) = client else { continue };
        if lock(&state).weather == Weather::Refuse {
            continue;
        }
        let (state, mut cut) = (Arc::clone(&state), cut.clone());
        cut.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                // First: after a cut nothing passes any more.
                biased;
                _ = cut.changed() => {}
                // Either side that breaks off is its own affair: both are closed.
                _ = serve(client, server, &state) => {}
            }
        });
    }
}

/// One connection, until it breaks.
async fn serve(client: TcpStream, server: u16, state: &Mutex<State>) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (requests, answers) = client.into_split();
    let (replies, commands) = server.into_split();
    let (last, no_more) = watch::channel(false);
    tokio::select! {
        done = pass_requests(BufReader::new(requests), commands, state, last) => done,
        done = pass_replies(replies, answers, state, no_more) => done,
    }
}

async fn pass_requests(
    mut client: impl AsyncBufRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    state: &Mutex<State>,
    last: watch::Sender<bool>,
) -> std::io::Result<()> {
    loop {
        let (name, command) = request(&mut client).await?;
        let (weather, fault) = {
            let mut state = lock(state);
            state.log.push(name);
            let number = state.log.len();
            let fault = state.fault.take_if(|(n, _)| *n == number).map(|(_, fault)| fault);
            (state.weather, fault)
        };
        match weather {
            Weather::Delay(time) => tokio::time::sleep(time).await,
            Weather::BlackHole => continue,
            Weather::Fair | Weather::Refuse => {}
        }
        match fault {
            Some(Fault::DropRequest) => return Ok(()),
            Some(Fault::DropReply) => drop(last.send(true)),
            None => {}
        }
        server.write_all(&command).await?;
        if fault.is_some() {
            // The first reply after this one breaks the connection.
            std::future::pending::<()>().await;
        }
    }
}

async fn pass_replies(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    state: &Mutex<State>,
    no_more: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = server.read(&mut bytes).await?;
        if read == 0 || *no_more.borrow() {
            return Ok(());
        }
        if lock(state).weather != Weather::BlackHole {
            client.write_all(&bytes[..read]).await?;
        }
    }
}

/// One command as clients send it, an array of strings: its name, and its bytes.
async fn request(client: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let words = line(client, b'*', &mut bytes).await?;
    let mut name = String::new();
    for word in 0..words {
        let length = line(client, b'$', &mut bytes).await?;
        let from = bytes.len();
        bytes.resize(from + length + 2, 0);
        client.read_exact(&mut bytes[from..]).await?;
        if word == 0 {
            name = String::from_utf8_lossy(&bytes[from..from + length]).into_owned();
        }
    }
    Ok((name, bytes))
}

/// A line such as `*3` or `$11`: its number. The line is added to the bytes.
async fn line(client: &mut (impl AsyncBufRead + Unpin), kind: u8, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    let from = bytes.len();
    client.read_until(b'\n', bytes).await?;
    let line = &bytes[from..];
    let number = line.strip_prefix(&[kind]).and_then(|line| std::str::from_utf8(line).ok());
    number
        .and_then(|number| number.trim_end().parse().ok())
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, format!("not a command: {:?}", String::from_utf8_lossy(line))))
}
