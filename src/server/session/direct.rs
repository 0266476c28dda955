//! Direct messages, from a socket or without one: to whoever is here, or kept for him.
use super::SessionDeps;
use crate::server::{
    msg::{Frame, Refusal, ShownStatus, refusal},
    telemetry::metrics,
};
use crate::{
    hub::{code::Code, id::UserId},
    wire::{
        codec::text_frame,
        server::{Message, json},
    },
};
use serde::Serialize;

/// What became of a message; the fields of its ack.
#[derive(Serialize)]
pub(in crate::server) struct Delivered {
    /// How many live sessions of the receiver have it.
    delivered: usize,
    /// It waits until he comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<bool>,
}

impl SessionDeps {
    /// Delivers a message. Errors: `user_not_reachable`, also for whoever is blocked: he learns no more than that.
    pub(in crate::server) async fn send_message(&self, from: &UserId, to: UserId, message: &str) -> Result<Delivered, Refusal> {
        if self.letters.is_blocked(from, &to).await? {
            return Err(refusal(Code::UserNotReachable));
        }
        let (timestamp, begin) = (self.clock.now().seconds(), self.clock.micros());
        let frame = Message { from_user_id: from.as_str(), to_user_id: to.as_str(), message, timestamp };
        let frame = Frame(text_frame(&json(&frame)));
        if let Some(delivered) = self.presence.message(to.clone(), frame.clone()).await {
            metrics::message(metrics::Message::Direct, self.clock.micros().saturating_sub(begin));
            return Ok(Delivered { delivered, kept: None });
        }
        self.letters.keep(&to, &frame.payload()).await?;
        // He may have come meanwhile, before there was anything for him.
        let here = self.presence.states(vec![to.clone()]).await.iter().any(|shown| shown.status != ShownStatus::Offline);
        if here {
            for text in self.letters.take(&to).await {
                self.presence.message(to.clone(), Frame(text_frame(text.as_bytes()))).await;
            }
        }
        Ok(Delivered { delivered: 0, kept: Some(true) })
    }
}
