//! The public HTTP interface, as far as somebody who joins needs it.

use super::{
    RehearseError,
    trust::{Trust, is_this_machine},
};
use otyrys_signaling::{Language, Place, Role, wire::ErrorCode};
use otyrys_storage::ids::ParticipantId;
use reqwest::{
    StatusCode, Url,
    header::{COOKIE, HeaderValue, ORIGIN, SET_COOKIE},
};
use rustls::ClientConfig;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use std::{fmt, str::FromStr, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{self, client::IntoClientRequest, protocol::WebSocketConfig},
};

/// How long the server may take to answer a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest message that a server may send, octets: a view of 40 people is under 20 kB.
const LARGEST_MESSAGE: usize = 1 << 20;

/// The signalling connection.
pub(super) type Line = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An invitation link, `https://court.example/j/<token>`. The token is a secret: it shows in no
/// log and no error.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    base_url: Url,
    token: String,
}

impl Invitation {
    /// An invitation to the server at `base_url`.
    #[must_use]
    pub fn new(base_url: Url, token: String) -> Self {
        Self { base_url, token }
    }

    /// The server's own address, without a path.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.base_url
    }
}

impl FromStr for Invitation {
    type Err = RehearseError;

    fn from_str(link: &str) -> Result<Self, RehearseError> {
        let mut url: Url = link.parse().map_err(|_| RehearseError::BadLink)?;
        let token = url
            .path()
            .strip_prefix("/j/")
            .filter(|token| !token.is_empty() && !token.contains('/'))
            .ok_or(RehearseError::BadLink)?
            .to_owned();
        if url.scheme() != "https" || url.host_str().is_none() {
            return Err(RehearseError::BadLink);
        }
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self {
            base_url: url,
            token,
        })
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({}j/***)", self.base_url)
    }
}

/// A seat that an invitation gave.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) participant: ParticipantId,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) place: Place,
    pub(super) language: Language,
    cookie: Secret,
}

#[derive(Clone)]
struct Secret(HeaderValue);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A line test that the server opened; who knows its name may enter.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LineTest {
    id: String,
}

/// A seat of the demonstration hearing.
#[derive(Debug, Clone)]
pub struct DemoSeat {
    /// Whose.
    pub participant: ParticipantId,
    /// Name as in the case.
    pub name: String,
    /// Role.
    pub role: Role,
    /// The invitation.
    pub invitation: Invitation,
}

#[derive(Deserialize)]
struct Redeemed {
    participant_id: ParticipantId,
    name: String,
    role: Role,
    place: Place,
    language: Language,
}

#[derive(Deserialize)]
struct Refused {
    error: ErrorCode,
}

#[derive(Deserialize)]
struct Demo {
    seats: Vec<DemoLink>,
}

#[derive(Deserialize)]
struct DemoLink {
    participant_id: ParticipantId,
    name: String,
    role: Role,
    link: String,
}

/// One server, and how it is reached.
#[derive(Clone)]
pub(super) struct Door {
    base_url: Url,
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
}

impl Door {
    pub(super) fn new(base_url: &Url, trust: &Trust) -> Result<Self, RehearseError> {
        let host = base_url.host_str().ok_or(RehearseError::BadLink)?;
        let tls = trust.client_config(host)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(RehearseError::unreachable)?;
        Ok(Self {
            base_url: base_url.clone(),
            http,
            tls: Arc::new(tls),
        })
    }

    /// Whether the server is on this machine, so that media is too.
    pub(super) fn is_local(&self) -> bool {
        self.base_url.host_str().is_some_and(is_this_machine)
    }

    /// Takes the seat that the invitation is for.
    pub(super) async fn redeem(&self, invitation: &Invitation) -> Result<Seat, RehearseError> {
        let answer = self
            .http
            .post(self.address(&format!("api/v1/invitations/{}", invitation.token))?)
            .json(&json!({ "client": "rehearsal" }))
            .send()
            .await
            // The address holds the token.
            .map_err(|error| RehearseError::unreachable(error.without_url()))?;
        let cookie = answer
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .find_map(seat_cookie);
        let redeemed: Redeemed = understood(answer).await?;
        Ok(Seat {
            participant: redeemed.participant_id,
            name: redeemed.name,
            role: redeemed.role,
            place: redeemed.place,
            language: redeemed.language,
            cookie: Secret(cookie.ok_or(RehearseError::Protocol("no seat cookie was set"))?),
        })
    }

    /// The seats of the demonstration hearing.
    pub(super) async fn demo(&self) -> Result<Vec<DemoSeat>, RehearseError> {
        let request = self.http.get(self.address("api/v1/demo")?);
        let answer = request.send().await.map_err(RehearseError::unreachable)?;
        let demo: Demo = understood(answer).await?;
        demo.seats
            .into_iter()
            .map(|seat| {
                Ok(DemoSeat {
                    participant: seat.participant_id,
                    name: seat.name,
                    role: seat.role,
                    invitation: seat.link.parse()?,
                })
            })
            .collect()
    }

    /// Whether an Otyrys server answers.
    pub(super) async fn about(&self) -> Result<(), RehearseError> {
        /// What only this kind of server says.
        #[derive(Deserialize)]
        struct About {
            #[serde(rename = "protocol")]
            _protocol: u32,
        }
        let request = self.http.get(self.address("api/v1/about")?);
        let answer = request.send().await.map_err(RehearseError::unreachable)?;
        understood::<About>(answer).await.map(|_| ())
    }

    /// Opens a line test.
    pub(super) async fn open_line_test(&self) -> Result<LineTest, RehearseError> {
        let request = self.http.post(self.address("api/v1/line-tests")?);
        understood(request.send().await.map_err(RehearseError::unreachable)?).await
    }

    /// Opens the signalling connection of a place in a line test.
    pub(super) async fn enter_line_test(&self, test: &LineTest) -> Result<Line, RehearseError> {
        let path = format!("api/v1/line-tests/{}/ws", test.id);
        self.connect(&path, None).await
    }

    /// Opens the signalling connection of a seat.
    pub(super) async fn enter(&self, seat: &Seat) -> Result<Line, RehearseError> {
        let path = format!("api/v1/seats/{}/ws", seat.participant);
        self.connect(&path, Some(seat.cookie.0.clone())).await
    }

    async fn connect(
        &self,
        path: &str,
        cookie: Option<HeaderValue>,
    ) -> Result<Line, RehearseError> {
        let mut url = self.address(path)?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme)
            .map_err(|()| RehearseError::BadLink)?;
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(RehearseError::unreachable)?;
        let origin = self.base_url.origin().ascii_serialization();
        let origin = HeaderValue::from_str(&origin).map_err(|_| RehearseError::BadLink)?;
        request.headers_mut().insert(ORIGIN, origin);
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie);
        }
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST_MESSAGE));
        let connector = Connector::Rustls(self.tls.clone());
        let connecting =
            connect_async_tls_with_config(request, Some(config), true, Some(connector));
        match tokio::time::timeout(ANSWER_TIMEOUT, connecting).await {
            Ok(Ok((line, _))) => Ok(line),
            Ok(Err(tungstenite::Error::Http(answer))) => {
                let refused = answer
                    .body()
                    .as_deref()
                    .and_then(|b| serde_json::from_slice(b).ok());
                let refused = refused.map(|refused: Refused| refused.error);
                Err(refusal(answer.status(), refused))
            }
            Ok(Err(error)) => Err(RehearseError::unreachable(error)),
            Err(_) => Err(RehearseError::unreachable("it did not answer in time")),
        }
    }

    fn address(&self, path: &str) -> Result<Url, RehearseError> {
        self.base_url.join(path).map_err(|_| RehearseError::BadLink)
    }
}

/// `name=value` of a seat cookie.
fn seat_cookie(header: &HeaderValue) -> Option<HeaderValue> {
    let pair = header.to_str().ok()?.split(';').next()?.trim();
    let mut value =
        HeaderValue::from_str(pair.starts_with("otyrys_seat_").then_some(pair)?).ok()?;
    value.set_sensitive(true);
    Some(value)
}

async fn understood<T: DeserializeOwned>(answer: reqwest::Response) -> Result<T, RehearseError> {
    let status = answer.status();
    if !status.is_success() {
        let refused = answer
            .json::<Refused>()
            .await
            .ok()
            .map(|refused| refused.error);
        return Err(refusal(status, refused));
    }
    answer
        .json()
        .await
        .map_err(|_| RehearseError::Protocol("an answer was not understood"))
}

/// What a refusal means: a code when the server gave one; else a proxy's or a restart's, which
/// passes.
fn refusal(status: StatusCode, code: Option<ErrorCode>) -> RehearseError {
    match code {
        Some(ErrorCode::Unavailable | ErrorCode::Internal) | None => {
            RehearseError::unreachable(format!("it answered {status}"))
        }
        Some(code) => RehearseError::Refused(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_taken_apart_and_its_token_never_shown() {
        let invitation: Invitation = "https://127.0.0.1:8443/j/s3cr3t?lang=kk#x".parse().unwrap();
        assert_eq!(invitation.base_url().as_str(), "https://127.0.0.1:8443/");
        assert_eq!(invitation.token, "s3cr3t");
        assert!(!format!("{invitation:?}").contains("s3cr3t"));
    }

    #[test]
    fn what_is_no_invitation_is_refused() {
        for link in [
            "",
            "court.example/j/x",
            "https://court.example/",
            "https://c.example/j/",
            "http://court.example/j/x",
            "https://court.example/j/a/b",
            "https://c.example/registry",
        ] {
            assert!(link.parse::<Invitation>().is_err(), "{link}");
        }
    }

    #[test]
    fn only_a_seat_cookie_is_kept_and_without_its_attributes() {
        let cookie = HeaderValue::from_static("otyrys_seat_1=abc; HttpOnly; Secure; Path=/");
        assert_eq!(seat_cookie(&cookie).unwrap(), "otyrys_seat_1=abc");
        assert!(seat_cookie(&HeaderValue::from_static("other=1")).is_none());
    }

    #[test]
    fn a_fault_of_the_server_passes_and_a_refusal_stays() {
        let passes = refusal(StatusCode::BAD_GATEWAY, None);
        assert!(matches!(passes, RehearseError::Unreachable { .. }));
        let stays = refusal(StatusCode::CONFLICT, Some(ErrorCode::LinkInUse));
        assert!(matches!(
            stays,
            RehearseError::Refused(ErrorCode::LinkInUse)
        ));
    }
}
