//! A proxy between a service and an emulator of AWS: it keeps what was asked and when, and can fall silent at one request.
//!
//! It speaks HTTP/1.1 with bodies of a known length, which is what the AWS SDK sends here. The tests of the binary use this
//! file too.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// One request that came by.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is asked for, such as `iam:UpdateAccessKey` or `s3:GET /bucket/key`.
    pub name: String,
    /// When the request had come, whole.
    pub at: Instant,
    /// When its answer was there, if there was one.
    pub answered: Option<Instant>,
    /// Whether the emulator heard of it.
    pub forwarded: bool,
}

/// Where the proxy falls silent: from then on nothing is answered.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// At which request, from 1; receives of a queue and assumptions of roles are not counted.
    pub at: usize,
    /// Whether the emulator still hears of that request.
    pub after: bool,
}

/// A proxy. Its threads end with the connections of those who use it.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    silence: Option<Silence>,
    is_silent: AtomicBool,
    asked: Mutex<Vec<Asked>>,
}

impl Proxy {
    /// Listens on a port of its own, and hands on to the server of this URL.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub fn new(upstream: &str, silence: Option<Silence>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared {
            upstream,
            silence,
            is_silent: AtomicBool::new(false),
            asked: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&theirs);
                // A connection that breaks is the end of its client.
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Ok(Self { url, shared })
    }

    /// Whether it has fallen silent.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.shared.is_silent.load(Ordering::SeqCst)
    }

    /// What was asked so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked().clone()
    }
}

impl Shared {
    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        let mut buffer = Vec::new();
        while let Some(request) = next_request(&mut client, &mut buffer)? {
            let name = name_of(&request);
            let Some(place) = self.enter(&name) else {
                // Silent: nothing comes back until whoever asked is gone.
                while client.read(&mut [0; 1024])? > 0 {}
                return Ok(());
            };
            let answer = forward(&self.upstream, &request)?;
            let is_last = {
                let mut asked = self.asked();
                let number = asked[..=place].iter().filter(|one| is_counted(&one.name)).count();
                let falls = self.silence.is_some_and(|silence| silence.at == number)
                    && is_counted(&asked[place].name);
                if !falls {
                    asked[place].answered = Some(Instant::now());
                }
                falls
            };
            if is_last {
                self.is_silent.store(true, Ordering::SeqCst);
            }
            if self.is_silent.load(Ordering::SeqCst) {
                while client.read(&mut [0; 1024])? > 0 {}
                return Ok(());
            }
            client.write_all(&answer)?;
        }
        Ok(())
    }

    /// Notes a request, and gives its place in the log; none if the emulator is not to hear of it.
    fn enter(&self, name: &str) -> Option<usize> {
        let mut asked = self.asked();
        let number = asked.iter().filter(|one| is_counted(&one.name)).count() + 1;
        if let Some(silence) = self.silence
            && is_counted(name)
        {
            let is_beyond = if silence.after { number > silence.at } else { number >= silence.at };
            if is_beyond {
                self.is_silent.store(true, Ordering::SeqCst);
            }
        }
        let forwarded = !self.is_silent.load(Ordering::SeqCst);
        asked.push(Asked { name: name.to_owned(), at: Instant::now(), answered: None, forwarded });
        forwarded.then(|| asked.len() - 1)
    }
}

/// How many receives there are depends on time alone, and a role is assumed for the call after it.
fn is_counted(name: &str) -> bool {
    !name.ends_with(":ReceiveMessage") && !name.ends_with(":AssumeRole")
}

/// The bytes of the next request; none when the client has closed.
fn next_request(client: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
    let mut piece = [0; 16 << 10];
    loop {
        if let Some(length) = whole_length(buffer) {
            let rest = buffer.split_off(length);
            return Ok(Some(std::mem::replace(buffer, rest)));
        }
        match client.read(&mut piece)? {
            0 => return Ok(None),
            read => buffer.extend_from_slice(&piece[..read]),
        }
    }
}

/// The length of the request at the beginning, if it is whole.
fn whole_length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]);
    let body = header(&text, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    (buffer.len() >= head + body).then_some(head + body)
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What a request asks for.
fn name_of(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    // `Credential=KEY/DATE/REGION/SERVICE/aws4_request`
    let scope = header(head, "authorization").and_then(|text| text.split("Credential=").nth(1));
    let service = scope.and_then(|text| text.split('/').nth(3)).unwrap_or("-");
    if let Some(target) = header(head, "x-amz-target") {
        return format!("{service}:{}", target.rsplit('.').next().unwrap_or(target));
    }
    if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        return format!("{service}:{action}");
    }
    let line: Vec<&str> = head.lines().next().unwrap_or_default().split(' ').take(2).collect();
    format!("{service}:{}", line.join(" "))
}

/// Hands a request on, and gives the whole answer. Each has a connection of its own to the emulator; to the client it lasts.
fn forward(upstream: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream)?;
    server.set_nodelay(true)?;
    let mut changed = without_connection(request);
    let line = changed.windows(2).position(|two| two == b"\r\n").map_or(0, |place| place + 2);
    changed.splice(line..line, *b"Connection: close\r\n");
    server.write_all(&changed)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(without_connection(&answer))
}

/// A message without what it says of its connection.
fn without_connection(message: &[u8]) -> Vec<u8> {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(message.len());
    let head = String::from_utf8_lossy(&message[..end]);
    let kept: Vec<&str> = head
        .split("\r\n")
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .collect();
    let mut out = kept.join("\r\n").into_bytes();
    out.extend_from_slice(&message[end..]);
    out
}
