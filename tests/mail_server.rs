//! The server that the example `own-provider` reads: mails by number, and connections that break.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A server in this process, until the process ends.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    mails: Arc<Mutex<Mails>>,
}

#[derive(Debug)]
struct Mails {
    inbox: BTreeMap<u64, String>,
    /// Every command, by connection.
    log: Vec<String>,
    /// How many there were so far.
    fetches: u32,
    deletions: u32,
}

impl MailServer {
    /// Starts a server with these mails. It breaks a connection twice: instead of an answer to the second `FETCH`, and to
    /// the second `DELETE`, which it has done by then.
    pub fn start<const N: usize>(mails: [&str; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let address = listener.local_addr().expect("it is bound");
        let inbox = (1..).zip(mails.map(str::to_owned)).collect();
        let mails = Arc::new(Mutex::new(Mails { inbox, log: Vec::new(), fetches: 0, deletions: 0 }));
        let served = Arc::clone(&mails);
        std::thread::spawn(move || {
            for (number, stream) in (1..).zip(listener.incoming().map_while(Result::ok)) {
                let served = Arc::clone(&served);
                // A client that breaks off is its own affair.
                std::thread::spawn(move || drop(serve(stream, number, &served)));
            }
        });
        MailServer { address, mails }
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Every command, by connection, in order.
    pub fn log(&self) -> String {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).log.join("\n")
    }
}

fn serve(stream: TcpStream, connection: u32, mails: &Mutex<Mails>) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let answer = mails.lock().unwrap_or_else(PoisonError::into_inner).answer(connection, &line?);
        let Some(answer) = answer else { return Ok(()) };
        answers.write_all(answer.as_bytes())?;
    }
    Ok(())
}

impl Mails {
    /// What is answered, or nothing if the connection breaks.
    fn answer(&mut self, connection: u32, command: &str) -> Option<String> {
        let mut words = command.split(' ');
        let (verb, mail) = (words.next()?, words.next().and_then(|mail| mail.parse().ok()).unwrap_or(0));
        if verb != "LIST" {
            self.log.push(format!("{connection}: {command}"));
        }
        let lines: Vec<String> = match verb {
            "LIST" => self.inbox.keys().map(u64::to_string).collect(),
            "FETCH" => {
                self.fetches += 1;
                self.inbox.get(&mail)?.lines().map(str::to_owned).collect()
            }
            "DELETE" => {
                self.deletions += 1;
                self.inbox.remove(&mail);
                Vec::new()
            }
            _ => return None,
        };
        if (verb == "FETCH" && self.fetches == 2) || (verb == "DELETE" && self.deletions == 2) {
            return None;
        }
        let lines: String = lines.iter().map(|line| format!("* {line}\r\n")).collect();
        Some(format!("{lines}OK\r\n"))
    }
}
