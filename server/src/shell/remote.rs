//! A server as its clients see it: where it is, how to reach it, and what its refusals mean.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server may take to accept a connection, and to answer a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// More of an answer than this is not read: what a channel URL says is one line.
const ANSWER_BYTES: usize = 64 * 1024;

/// Where a server is, and who asks.
#[derive(Args, Clone)]
pub(crate) struct Remote {
    /// The server, with its base path if it has one
    #[arg(long, value_name = "URL", env = "ENCKE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Who asks: sent as Authorization: Bearer
    #[arg(long, value_name = "TOKEN", env = "ENCKE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// What can go wrong, as a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "{0:?} is no URL of a server: write something like http://127.0.0.1:8080, or http://127.0.0.1:8080/live with a base path"
    )]
    Url(String),
    #[error(
        "{0} cannot be reached: TLS is not built into this command yet. Give the http:// address of the server itself, behind whatever ends TLS"
    )]
    Tls(String),
    #[error("the token has characters that cannot be sent")]
    Token,
    #[error("nothing listens at {0}: start one with `encke`, or say where it is with --url (ENCKE_URL)")]
    NothingListens(String),
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, std::io::Error),
    #[error("{0} says nothing for {1} s: is it an Encke, and is nothing in between that buffers?")]
    Silent(String, u64),
    #[error("the connection to {0} broke: {1}")]
    Broken(String, hyper::Error),
    #[error(
        "the connection to {0} broke before the answer came, so the message may have been published or not: {1}"
    )]
    Unanswered(String, hyper::Error),
    #[error(
        "what answers at {0} is not an Encke: --url is the server's address with its base path, without /bayeux or /channels"
    )]
    Stranger(String),
    #[error("a message from {0} is longer than {1} bytes")]
    TooLong(String, usize),
    #[error("standard output cannot be written: {0}")]
    Output(std::io::Error),
    #[error("{1}")]
    Refused(StatusCode, String),
}

impl Trouble {
    /// Whether trying again would change nothing.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Trouble::Refused(status, _) => status.is_client_error() && *status != StatusCode::REQUEST_TIMEOUT,
            Trouble::Stranger(_) | Trouble::TooLong(..) | Trouble::Output(_) => true,
            _ => false,
        }
    }
}

impl Remote {
    /// Reads the URL and the token.
    pub(super) fn target(&self) -> Result<Target, Trouble> {
        let wrong = || Trouble::Url(self.url.clone());
        let url: Uri = self.url.parse().map_err(|_| wrong())?;
        match url.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(Trouble::Tls(self.url.clone())),
            _ => return Err(wrong()),
        }
        let authority = url.authority().ok_or_else(wrong)?;
        if url.query().is_some() || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let authorization = match &self.token {
            None => None,
            Some(token) => {
                let mut value =
                    HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Trouble::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let base = url.path().trim_end_matches('/').to_owned();
        Ok(Target {
            shown: format!("http://{authority}{base}"),
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?,
            authorization,
            base,
        })
    }
}

/// A server to connect to.
#[derive(Clone)]
pub(super) struct Target {
    /// The URL as it is named in sentences.
    pub(super) shown: String,
    host: String,
    port: u16,
    authority: HeaderValue,
    authorization: Option<HeaderValue>,
    base: String,
}

impl Target {
    /// The URL path of a channel or pattern, whose letters all stand in a URL as they are.
    pub(super) fn path(&self, channel: &str, query: &str) -> String {
        format!("{}/channels{channel}{query}", self.base)
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Connection, Trouble> {
        let shown = || self.shown.clone();
        let stream = timeout(PATIENCE, TcpStream::connect((self.host.as_str(), self.port)))
            .await
            .map_err(|_| Trouble::Unreachable(shown(), ErrorKind::TimedOut.into()))?
            .map_err(|error| match error.kind() {
                ErrorKind::ConnectionRefused => Trouble::NothingListens(shown()),
                _ => Trouble::Unreachable(shown(), error),
            })?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Trouble::Broken(shown(), error))?;
        // Its error comes to the request as well.
        tokio::spawn(connection);
        Ok(Connection { target: self.clone(), sender })
    }
}

/// One connection, with at most one request at a time.
pub(super) struct Connection {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Whether another request can be sent.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Posts JSON; answers with what the server says to that.
    pub(super) async fn post(&mut self, path: &str, json: Vec<u8>) -> Result<Bytes, Trouble> {
        let response = self.send(Method::POST, path, json).await?;
        let shown = || self.target.shown.clone();
        let body = timeout(PATIENCE, Limited::new(response.into_body(), ANSWER_BYTES).collect())
            .await
            .map_err(|_| Trouble::Silent(shown(), PATIENCE.as_secs()))?
            .map_err(|_| Trouble::Stranger(shown()))?;
        Ok(body.to_bytes())
    }

    /// Asks for a stream of lines.
    pub(super) async fn get(&mut self, path: &str) -> Result<Incoming, Trouble> {
        let response = self.send(Method::GET, path, Vec::new()).await?;
        let is_lines = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/x-ndjson"));
        if is_lines { Ok(response.into_body()) } else { Err(Trouble::Stranger(self.target.shown.clone())) }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        json: Vec<u8>,
    ) -> Result<Response<Incoming>, Trouble> {
        let shown = || self.target.shown.clone();
        let mut request = Request::new(Full::from(json));
        let is_post = method == Method::POST;
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| Trouble::Url(shown()))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.target.authority.clone());
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("encke/", env!("CARGO_PKG_VERSION"))),
        );
        if is_post {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(authorization) = &self.target.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let response = timeout(PATIENCE, self.sender.send_request(request))
            .await
            .map_err(|_| Trouble::Silent(shown(), PATIENCE.as_secs()))?
            .map_err(|error| match is_post && !error.is_canceled() {
                true => Trouble::Unanswered(shown(), error),
                false => Trouble::Broken(shown(), error),
            })?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// What a response that is no success says, and what to do about it.
    async fn refusal(&self, response: Response<Incoming>) -> Trouble {
        let status = response.status();
        let body = timeout(PATIENCE, Limited::new(response.into_body(), ANSWER_BYTES).collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        let (said, is_channel) = match serde_json::from_slice::<Said>(&body) {
            Ok(Said { error, why }) => (format!("{why} ({error})"), true),
            Err(_) => (first_line(&body), false),
        };
        let hint = match status {
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED if !is_channel => {
                "; --url (ENCKE_URL) is the server's address with its base path, without /bayeux or /channels"
            }
            StatusCode::UNAUTHORIZED => "; say who asks with --token (ENCKE_TOKEN)",
            StatusCode::NOT_FOUND => "; the base path of a server belongs to --url (ENCKE_URL)",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                "; try again in a moment"
            }
            _ => "",
        };
        let said = if said.is_empty() { "without a word".to_owned() } else { said };
        Trouble::Refused(status, format!("{} refuses with {status}: {said}{hint}", self.target.shown))
    }
}

/// A refusal as channel URLs write it.
#[derive(Deserialize)]
struct Said {
    error: String,
    why: String,
}

/// The first line of what may be anything, fit for a terminal.
fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.trim().lines().next().unwrap_or_default();
    if line.starts_with('<') {
        return "a page, which is not how an Encke answers".to_owned();
    }
    line.chars().map(|c| if c.is_control() { '?' } else { c }).take(300).collect()
}
