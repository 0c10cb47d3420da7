//! Who may use the registry: readers by a session, the deliverer by its token.

use super::{RegistryError, RegistryState};
use crate::secrets::{Secret, hash_of};
use axum::{extract::FromRequestParts, http::header, http::request::Parts};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Name of the session cookie.
const COOKIE: &str = "otyrys_registry";
/// A working day: a reader signs in once in the morning.
const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);
/// More sessions than one registry has readers; beyond it the one that ends first is dropped, so
/// that whoever holds the key cannot fill the memory.
const SESSIONS: usize = 1_000;

/// The two secrets as hashes, and who is signed in. Sessions live in memory: after a restart a
/// reader opens their link again.
pub(super) struct Access {
    reader_key: [u8; 32],
    delivery_token: [u8; 32],
    sessions: Mutex<HashMap<[u8; 32], Instant>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(..)")
    }
}

impl Access {
    pub(super) fn new(reader_key: [u8; 32], delivery_token: [u8; 32]) -> Self {
        Self {
            reader_key,
            delivery_token,
            sessions: Mutex::default(),
        }
    }

    /// A session for whoever presents the access key.
    pub(super) fn sign_in(&self, key: &str) -> Result<Cookie<'static>, RegistryError> {
        // Hashes are compared: how long that takes says nothing about the key.
        if hash_of(key) != self.reader_key {
            return Err(RegistryError::NotSignedIn);
        }
        let secret = Secret::generate();
        let now = Instant::now();
        let mut sessions = self.sessions();
        sessions.retain(|_, ends| *ends > now);
        if sessions.len() >= SESSIONS {
            let first = sessions
                .iter()
                .min_by_key(|(_, ends)| **ends)
                .map(|(hash, _)| *hash);
            first.map(|hash| sessions.remove(&hash));
        }
        sessions.insert(secret.hash(), now + SESSION_LIFE);
        Ok(cookie(secret.reveal().to_owned()))
    }

    /// Ends the session of this cookie.
    pub(super) fn sign_out(&self, jar: &CookieJar) {
        if let Some(cookie) = jar.get(COOKIE) {
            self.sessions().remove(&hash_of(cookie.value()));
        }
    }

    fn is_signed_in(&self, parts: &Parts) -> bool {
        let jar = CookieJar::from_headers(&parts.headers);
        let Some(cookie) = jar.get(COOKIE) else {
            return false;
        };
        let ends = self.sessions().get(&hash_of(cookie.value())).copied();
        ends.is_some_and(|ends| ends > Instant::now())
    }

    fn is_deliverer(&self, parts: &Parts) -> bool {
        parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|token| hash_of(token) == self.delivery_token)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        // A map of hashes is whole whatever happened to the thread that held it.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session cookie with this value.
fn cookie(value: String) -> Cookie<'static> {
    Cookie::build((COOKIE, value))
        .http_only(true)
        .secure(true)
        .same_site(SameSite::Strict)
        .path("/registry")
        .build()
}

/// What removes the session cookie from a browser.
pub(super) fn no_cookie() -> Cookie<'static> {
    let mut cookie = cookie(String::new());
    cookie.make_removal();
    cookie
}

/// A request that may read: by a session, or by the delivery token.
pub(super) struct Reader;

impl FromRequestParts<RegistryState> for Reader {
    type Rejection = RegistryError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &RegistryState,
    ) -> Result<Self, Self::Rejection> {
        let access = state.access();
        let may = access.is_signed_in(parts) || access.is_deliverer(parts);
        may.then_some(Self).ok_or(RegistryError::NotSignedIn)
    }
}

/// A request that may write: by the delivery token only.
pub(super) struct Deliverer;

impl FromRequestParts<RegistryState> for Deliverer {
    type Rejection = RegistryError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &RegistryState,
    ) -> Result<Self, Self::Rejection> {
        state
            .access()
            .is_deliverer(parts)
            .then_some(Self)
            .ok_or(RegistryError::NotSignedIn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(cookie: &Cookie<'_>) -> Parts {
        let request = Request::builder().header(header::COOKIE, cookie.stripped().to_string());
        request.body(()).unwrap().into_parts().0
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_a_working_day() {
        let access = Access::new(hash_of("key"), hash_of("token"));
        assert!(access.sign_in("token").is_err());
        let cookie = access.sign_in("key").unwrap();
        assert!(access.is_signed_in(&parts(&cookie)));
        tokio::time::advance(SESSION_LIFE).await;
        assert!(!access.is_signed_in(&parts(&cookie)));
    }

    #[tokio::test(start_paused = true)]
    async fn signing_in_without_end_does_not_fill_the_memory() {
        let access = Access::new(hash_of("key"), hash_of("token"));
        let first = access.sign_in("key").unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..SESSIONS {
            access.sign_in("key").unwrap();
        }
        assert_eq!(access.sessions().len(), SESSIONS);
        assert!(!access.is_signed_in(&parts(&first)));
    }
}
