//! A connection before its session: it must say who it is, and prove it.
use super::{BAD_REQUESTS_MAX, SessionDeps, error, text};
use crate::server::{
    auth::{AuthError, Claims},
    msg::{Class, Frame},
    net::{
        conn::{Conn, Hello},
        reader::{Inbound, Reader},
    },
    telemetry::metrics,
};
use crate::{
    hub::{code::Code, id::UserId},
    wire::{
        client::{self, ClientFrame, Parsed, UserOnline},
        close::Close,
        fields::{BadFrame, Fields},
        server::ErrorJson,
    },
};
use std::time::Duration;

/// Whoever has proved who he is.
pub(super) struct Greeted {
    pub user: UserId,
    pub online: UserOnline,
    pub claims: Option<Claims>,
}

/// A connection before its session.
pub(super) struct Greeter<'a> {
    pub all: &'a SessionDeps,
    pub conn: &'a Conn,
    pub reader: &'a mut Reader,
    pub bad_requests: u32,
}

impl Greeter<'_> {
    /// Waits for a good `user_online`. `None`: the connection is closed.
    pub(super) async fn greet(&mut self, hello: &Hello) -> Option<Greeted> {
        let timeout = Duration::from_millis(self.all.settings.load().auth_timeout_ms);
        match tokio::time::timeout(timeout, self.first_frame(hello)).await {
            Ok(greeted) => greeted,
            Err(_) => self.refuse(None, Close::Unauthorized),
        }
    }

    async fn first_frame(&mut self, hello: &Hello) -> Option<Greeted> {
        loop {
            let line = match self.reader.next().await {
                Inbound::Text(line) => line,
                Inbound::Control => continue,
                Inbound::Ended => return None,
                Inbound::Binary(_) => {
                    self.not_understood(error(None, Code::BadRequest))?;
                    continue;
                }
            };
            match client::parse(&line) {
                Ok(Parsed { id, senders, frame: ClientFrame::UserOnline(online), .. }) => {
                    return self.identify(id, &senders, *online, hello);
                }
                Ok(Parsed { id, .. }) => return self.refuse(Some(error(id, Code::Unauthorized)), Close::Unauthorized),
                Err(bad) if bad.code == Code::BadRequest => self.not_understood(text(&ErrorJson::from_bad_frame(&bad)))?,
                Err(bad) if is_user_online(&line) => {
                    return self.refuse(Some(text(&ErrorJson::from_bad_frame(&bad))), Close::BadRequest);
                }
                Err(bad) => return self.refuse(Some(error(bad.id, Code::Unauthorized)), Close::Unauthorized),
            }
        }
    }

    fn identify(&self, id: Option<i64>, senders: &[UserId], mut online: UserOnline, hello: &Hello) -> Option<Greeted> {
        let query = hello.query_token.as_deref().filter(|_| self.all.settings.load().query_token);
        let token = online.token.as_deref().or(hello.bearer.as_deref()).or(query);
        let claims = match token.map(|token| self.all.auth.verify(token)) {
            Some(Ok(claims)) => Some(claims),
            None if !self.all.auth.needs_token() => None,
            Some(Err(AuthError::Banned)) => return self.banned(id),
            None | Some(Err(_)) => return self.refuse(Some(error(id, Code::Unauthorized)), Close::Unauthorized),
        };
        let Some(user) = claims.as_ref().map(|claims| &claims.user).or(online.user.as_ref()).cloned() else {
            let bad = BadFrame { id, ..BadFrame::argument("/user_id".to_owned(), "this field, or a token") };
            return self.refuse(Some(text(&ErrorJson::from_bad_frame(&bad))), Close::BadRequest);
        };
        if senders.iter().any(|sender| *sender != user) {
            return self.refuse(Some(error(id, Code::IdentityMismatch)), Close::Unauthorized);
        }
        if claims.is_none() && self.all.auth.allow(&user, None).is_err() {
            return self.banned(id);
        }
        let Some(kind) = self.all.settings.load().kind_of(claims.as_ref(), &online.user_type) else {
            let bad = BadFrame { id, ..BadFrame::argument("/user_type".to_owned(), "a known kind of user") };
            return self.refuse(Some(text(&ErrorJson::from_bad_frame(&bad))), Close::BadRequest);
        };
        online.user_type = kind;
        Some(Greeted { user, online, claims })
    }

    fn banned<T>(&self, id: Option<i64>) -> Option<T> {
        self.refuse(Some(error(id, Code::Forbidden)), Close::Banned)
    }

    fn not_understood(&mut self, error: Frame) -> Option<()> {
        self.bad_requests += 1;
        self.conn.send(error, Class::Must);
        if self.bad_requests >= BAD_REQUESTS_MAX { self.refuse(None, Close::BadRequest) } else { Some(()) }
    }

    fn refuse<T>(&self, error: Option<Frame>, close: Close) -> Option<T> {
        if let Some(error) = error {
            self.conn.send(error, Class::Must);
        }
        metrics::connect(metrics::Connect::Refused);
        self.conn.close(close, 0);
        None
    }
}

fn is_user_online(line: &str) -> bool {
    Fields::parse(line).is_ok_and(|fields| fields.text("type").is_ok_and(|kind| kind.as_deref() == Some("user_online")))
}
