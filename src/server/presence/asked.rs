//! What is asked of the other nodes for somebody here: messages to people, how many sessions they have, and how they are.
use super::{
    Answer, Ask,
    actor::Actor,
    shared::{FromCluster, Purpose, TOLD_AGAIN},
};
use crate::hub::id::UserId;
use crate::server::{cluster::people::PersonNews, msg::Frame};
use tokio::sync::oneshot;

impl Actor {
    /// Sends a message to all nodes where somebody is live. Returns everything if there are no other nodes.
    pub(super) fn message_shared(
        &self,
        to: UserId,
        frame: Frame,
        reply: oneshot::Sender<Option<usize>>,
    ) -> Option<(UserId, Frame, oneshot::Sender<Option<usize>>)> {
        let Some(shared) = &self.shared else { return Some((to, frame, reply)) };
        let (keep, own) = (self.settings.timeout, shared.own.clone());
        let (live_here, here) = (self.people.live(&to).len(), self.people.is_here(&to));
        shared.ask(move |cluster| async move {
            match cluster.message(&to, &frame.payload(), keep).await {
                Ok(None) => drop(reply.send(None)),
                Ok(Some((live, here))) => {
                    let _ = reply.send(Some(live));
                    if here {
                        return FromCluster::Deliver { to, frame };
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a message stays on this node");
                    let _ = reply.send(here.then_some(live_here));
                    if here {
                        return FromCluster::Deliver { to, frame };
                    }
                }
            }
            drop(own);
            FromCluster::Looked { news: Vec::new(), purpose: Purpose::News }
        });
        None
    }

    /// Counts somebody's sessions over all nodes. Returns the reply if there are none, or they cannot be asked.
    pub(super) fn count_shared(&self, user: &UserId, reply: oneshot::Sender<usize>) -> Option<oneshot::Sender<usize>> {
        let Some(shared) = self.shared.as_ref().filter(|shared| shared.cluster.is_up()) else { return Some(reply) };
        let (cluster, user, here) = (shared.cluster.clone(), user.clone(), self.people.sessions(user).len());
        tokio::spawn(async move {
            let _ = reply.send(cluster.count_sessions(&user).await.unwrap_or(here));
        });
        None
    }

    /// Whoever is asked for and not watched is looked up first. Returns everything if nobody needs to be.
    pub(super) fn query_shared(&mut self, users: Vec<UserId>, answer: Answer) -> Option<(Vec<UserId>, Answer)> {
        let Some(shared) = self.shared.as_mut().filter(|shared| shared.cluster.is_up()) else { return Some((users, answer)) };
        let unknown: Vec<UserId> = users.iter().filter(|user| !shared.is_known(user)).cloned().collect();
        if unknown.is_empty() {
            return Some((users, answer));
        }
        let own = shared.own.clone();
        let cluster = shared.cluster.clone();
        tokio::spawn(async move {
            let news = cluster.look_surely(&unknown, TOLD_AGAIN).await.unwrap_or_default();
            if let Some(own) = own.upgrade() {
                let _ = own.send(Ask::Asked { news, users, answer });
            }
        });
        None
    }

    /// Answers with people who are known for this one answer only.
    pub(super) async fn answer_once(&mut self, news: Vec<PersonNews>, users: &[UserId], answer: Answer) {
        let watched = |news: &PersonNews| self.shared.as_ref().is_some_and(|shared| shared.is_watched(&news.user));
        let (watched, others): (Vec<_>, Vec<_>) = news.into_iter().partition(watched);
        self.looked(watched);
        let mut once = Vec::new();
        for news in others {
            self.people.glance(&news.user, Some(news.elsewhere));
            once.push(news.user);
        }
        self.answer(users, answer).await;
        for user in once {
            self.people.glance(&user, None);
        }
    }
}
