//! One callback: checked, read, joined, answered. Whatever is refused changes nothing and leaves one line in the log.
use super::{
    Ask, Media, Source,
    gate::{self, Denied},
    nonces::{self, Met},
    owner::Owner,
    uids::Uids,
};
use crate::{
    hub::{
        code::Code,
        media::{Fact, Publisher},
        time::UnixMs,
    },
    server::{
        config::Gate,
        media::hooks::{self, Call, Heard, Kind, PublishRequest, Refused, Report},
        net::failure::{Failure, reply},
    },
    wire::webhook::Denial,
};
use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tokio::sync::oneshot;

fn answer(text: String) -> Response {
    reply(StatusCode::OK, Bytes::from(text))
}

impl Media {
    /// Takes one callback. What it says is joined before the sender hears that it was heard.
    pub(in crate::server) async fn call(
        &self,
        name: &str,
        secret: &str,
        hook: &str,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Response, Failure> {
        let Some((index, source)) = self.source(name, secret) else {
            tracing::warn!(source = name, "a callback for no source of media, or with a wrong secret in its path");
            return Err(Failure::nothing_there("There is no such source of media."));
        };
        let body = body.map_err(|error| {
            let too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
            self.refuse(index, source, hook, &error, if too_large { Code::MessageTooLarge } else { Code::BadRequest })
        })?;
        let call = Call { hook, headers, body: &body, wall_ms: self.clock.wall_ms() };
        let heard = hooks::hear(source.kind, &source.keys, &call).map_err(|refused| {
            let code = match refused {
                Refused::Body => Code::BadRequest,
                Refused::Signature | Refused::ContentType => Code::Unauthorized,
            };
            self.refuse(index, source, hook, &refused, code)
        })?;
        match heard {
            Heard::Nothing => {
                source.count("ignored");
                Ok(answer(hooks::thanks(source.kind).to_owned()))
            }
            Heard::Report(report) => {
                self.join(index, source, &call, report).await?;
                Ok(answer(hooks::thanks(source.kind).to_owned()))
            }
            Heard::Publish(request) => {
                let verdict = self.gate(index, source, request).await;
                source.count(if verdict.is_ok() { "allowed" } else { "denied" });
                Ok(answer(verdict_text(source, verdict)))
            }
        }
    }

    /// Refuses a callback. Some senders take that for a delivery: what it said may be true, so the server is asked for it.
    fn refuse(&self, index: usize, source: &Source, hook: &str, why: &dyn std::fmt::Display, code: Code) -> Failure {
        source.count("refused");
        tracing::warn!(source = %source.name, hook, error = %why, "a callback is refused; nothing has changed");
        self.doubt(index);
        Failure::new(code)
    }

    fn doubt(&self, source: usize) {
        // An actor with so much to do comes to this server on its round.
        let _ = self.to_actor.try_send(Ask::Doubt { source });
    }

    /// Joins the facts of a callback with what is known. Returns when they are.
    async fn join(&self, index: usize, source: &Source, call: &Call<'_>, mut report: Report) -> Result<(), Failure> {
        if let Some(uids) = &source.uids {
            for fact in &mut report.facts {
                name_publisher(uids, fact).await;
            }
        }
        if let Some(nonce) = &report.nonce
            && matches!(self.meet(source, nonce, call.body, UnixMs(call.wall_ms)).await, Met::Changed)
        {
            source.count("forged");
            tracing::error!(
                source = %source.name,
                hook = call.hook,
                "a callback repeats a nonce with another body: somebody forges callbacks; change the secrets"
            );
            self.doubt(index);
            return Err(Failure::new(Code::Unauthorized));
        }
        // A repetition is joined, too, which changes nothing: the first time may not have come as far as that.
        let (reply, joined) = oneshot::channel();
        let asked = self.to_actor.try_send(Ask::Report { source: index, report, reply });
        if asked.is_err() || joined.await.is_err() {
            source.count("busy");
            return Err(Failure::new(Code::Busy));
        }
        source.count("heard");
        Ok(())
    }

    /// Looks whether a nonce has come before, to this node or another.
    async fn meet(&self, source: &Source, nonce: &str, body: &[u8], now: UnixMs) -> Met {
        let hash = nonces::hash(body);
        match source.nonces.meet(nonce, hash, now) {
            Met::New => match self.ledger.first_body(&source.name, nonce, &hash).await {
                Some(first) if first == hash => Met::Again,
                Some(_) => Met::Changed,
                None => Met::New,
            },
            met => met,
        }
    }

    /// Decides whether somebody may begin to publish.
    async fn gate(&self, index: usize, source: &Source, request: PublishRequest) -> Result<(), Denied> {
        let (stream, session, ticket) = (request.stream.clone(), request.session.clone(), request.ticket.clone());
        let verdict = match self.may(&request).await {
            Ok(grant) => self.ask_actor(index, request, grant).await,
            // What is let in all the same belongs to the picture.
            Err(why) if source.gate != Gate::Enforce => self.ask_actor(index, request, None).await.and(Err(why)),
            Err(why) => Err(why),
        };
        let Err(why) = verdict else { return Ok(()) };
        if source.gate == Gate::Off {
            return Ok(());
        }
        let lets_in = source.gate == Gate::Log || (why == Denied::HubError && source.allow_on_error);
        tracing::warn!(source = %source.name, stream, session, %why, lets_in, "a publish request without the right to it");
        metrics::counter!("michub_media_denied_total", "source" => source.name.to_string(), "why" => why.to_string())
            .increment(1);
        if let Some(webhooks) = &self.webhooks {
            let owner = ticket.and_then(|text| self.tickets.read(&text));
            let (room_id, user_id) = owner.map(|ticket| (ticket.room.to_string(), ticket.user.to_string())).unzip();
            let (source, why) = (source.name.to_string(), why.to_string());
            webhooks.denied(Denial { source, stream, why, let_in: lets_in, room_id, user_id });
        }
        if lets_in { Ok(()) } else { Err(why) }
    }

    /// Looks at the ticket and the seat. Returns the grant that the ticket names.
    async fn may(&self, request: &PublishRequest) -> Result<Option<u64>, Denied> {
        let ticket = request.ticket.as_deref().and_then(|text| self.tickets.read(text)).ok_or(Denied::BadTicket)?;
        if ticket.expires_at_ms < self.clock.wall_ms() {
            return Err(Denied::TicketExpired);
        }
        let owner = Owner { room: ticket.room, user: ticket.user, grant: Some(ticket.grant) };
        gate::may_publish(&self.rooms, &owner).await?;
        Ok(owner.grant)
    }

    async fn ask_actor(&self, source: usize, request: PublishRequest, grant: Option<u64>) -> Result<(), Denied> {
        let (reply, answer) = oneshot::channel();
        self.to_actor.try_send(Ask::Publish { source, request, grant, reply }).map_err(|_| Denied::HubError)?;
        answer.await.map_err(|_| Denied::HubError)?
    }
}

impl Source {
    /// Counts a callback by what became of it.
    fn count(&self, outcome: &'static str) {
        metrics::counter!("michub_media_callbacks_total", "source" => self.name.to_string(), "outcome" => outcome).increment(1);
    }
}

/// Puts the person in the place of the number that the hub gave him.
async fn name_publisher(uids: &Uids, fact: &mut Fact) {
    if let Fact::Numbered { publisher, .. } = fact
        && let Some(user) = uids.user_of(publisher.as_str()).await
    {
        *publisher = Publisher::new(&user);
    }
}

/// Writes the answer to a request to publish, as the server understands it. A refusal is a 200, too: another status would be tried again.
fn verdict_text(source: &Source, verdict: Result<(), Denied>) -> String {
    match (source.kind, verdict) {
        (Kind::ZlMediaKit, Ok(())) => {
            format!("{{\"code\":0,\"msg\":\"ok\",\"continue_push_ms\":{},\"enable_mp4\":false}}", source.continue_push_ms)
        }
        (Kind::ZlMediaKit, Err(why)) => format!("{{\"code\":-1,\"msg\":\"{why}\"}}"),
        (_, Ok(())) => "{\"code\":0}".to_owned(),
        (_, Err(why)) => format!("{{\"code\":1,\"msg\":\"{why}\"}}"),
    }
}
