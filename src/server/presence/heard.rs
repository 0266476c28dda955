//! What the actor does with what it hears of the other nodes: sessions that come, move and end there, and people who change.
use super::{
    Entered, Opening, Seen, TooMany,
    actor::{Actor, Line},
    sessions::rest_of_mail,
    shared::{FromCluster, OpenReply, Purpose, RETRY, SyncOutcome},
};
use crate::server::{
    cluster::{
        Mail, Unreachable,
        people::{Adopted, Luggage, Opened, PersonNews},
    },
    msg::{Class, Frame, RoomSet, ShardMsg},
};
use crate::{
    hub::{
        id::{SessionId, UserId},
        presence::{Elsewhere, Status},
    },
    wire::{close::Close, codec::text_frame},
};
use tokio::sync::oneshot;

/// The longest position of mail that is passed on, in bytes: ours are shorter.
const POSITION_BYTES: usize = 64;

impl Actor {
    pub(super) async fn heard(&mut self, heard: FromCluster) {
        match heard {
            FromCluster::Opened { opening, reply, outcome } => self.open_settled(opening, *outcome, reply).await,
            FromCluster::Synced { told } => self.synced(told).await,
            FromCluster::Looked { news, purpose } => self.looked_for(news, purpose).await,
            FromCluster::Chosen { user, status, news, reply } => self.chosen(&user, status, news, reply),
            FromCluster::News(news) => self.news(news),
            FromCluster::Gap(bucket) => self.look_again(bucket),
            FromCluster::ToProject(news) => news.iter().for_each(|news| self.project(news)),
            FromCluster::Projected => self.projected(),
            FromCluster::SeenWritten(outcome) => {
                if let Err(error) = &outcome {
                    tracing::debug!(%error, "other nodes cannot read yet when sessions were last heard");
                }
                self.seen_written(outcome.is_ok());
            }
            FromCluster::Announce(done) => self.announce(done),
            FromCluster::Mail(mail) => self.mail(mail).await,
            FromCluster::Adopted(adopted) => self.adopted(adopted),
            FromCluster::Deliver { to, frame } => {
                self.message(&to, frame).await;
            }
        }
    }

    /// The other nodes have answered an opening, or cannot be reached: then it is decided with what is known here.
    async fn open_settled(&mut self, opening: Opening, outcome: Result<Option<Opened>, Unreachable>, reply: OpenReply) {
        let mut early = Vec::new();
        if let Some(shared) = &mut self.shared
            && let Some(count) = shared.opening.get_mut(&opening.user)
        {
            *count -= 1;
            if *count == 0 {
                shared.opening.remove(&opening.user);
                early = shared.early.remove(&opening.user).unwrap_or_default();
            }
        }
        match outcome {
            Ok(Some(opened)) => self.opened(opening, opened, reply).await,
            Ok(None) => drop(reply.send(Err(TooMany))),
            Err(error) => {
                // That Redis is away has been said already, once for all.
                if self.shared.as_ref().is_some_and(|shared| shared.cluster.is_up()) {
                    tracing::warn!(%error, "a session is opened without the other nodes");
                }
                self.touched(&opening.user);
                self.open(opening, reply).await;
            }
        }
        for mail in early {
            self.mail(mail).await;
        }
    }

    /// People were looked up for somebody, who is told now.
    async fn looked_for(&mut self, news: Vec<PersonNews>, purpose: Purpose) {
        if matches!(purpose, Purpose::LastLook) {
            news.into_iter().for_each(|news| self.news(news));
        } else {
            self.looked(news);
        }
        if let (Some(shared), Purpose::Answer(users, _) | Purpose::Room(_, users)) = (&mut self.shared, &purpose) {
            shared.told(users);
        }
        match purpose {
            Purpose::Answer(users, answer) => self.answer(&users, answer).await,
            Purpose::Room(room, users) => self.tell_room(&room, &users),
            Purpose::News | Purpose::LastLook => {}
        }
    }

    /// A chosen status is in force here; it is told to the other nodes later if they could not be reached.
    fn chosen(
        &mut self,
        user: &UserId,
        status: Status,
        news: Result<Option<PersonNews>, Unreachable>,
        reply: Option<oneshot::Sender<bool>>,
    ) {
        if let (Err(_), true, Some(shared)) = (&news, self.people.is_here(user), &mut self.shared) {
            shared.choices.insert(user.clone(), status);
            shared.retry_at = self.clock.now().plus(RETRY);
        }
        let done = self.people.choose(user, status) || matches!(news, Ok(Some(_)));
        if let Ok(Some(news)) = news {
            self.project(&news);
            self.news(news);
        }
        if let Some(reply) = reply {
            let _ = reply.send(done);
        }
    }

    /// Tells the other nodes everything anew. `done` hears when they have it.
    fn announce(&mut self, done: Option<oneshot::Sender<()>>) {
        self.write_seen_again();
        // What a dead node's session had is known by Redis alone.
        self.lines.values_mut().for_each(|line| line.kept = line.adopted);
        let everybody = self.people.everybody();
        if let Some(shared) = &mut self.shared {
            shared.dirty.extend(everybody);
            shared.announced.extend(done);
        }
    }

    /// People were looked up. Whoever was there and is missing now is looked for once more before he counts as gone.
    pub(super) fn looked(&mut self, all: Vec<PersonNews>) {
        let mut missing = Vec::new();
        for news in all {
            // Redis may have begun anew, and his own node not have told of him yet.
            if self.people.is_elsewhere(&news.user) && !news.elsewhere.known {
                missing.push(news.user);
            } else {
                self.news(news);
            }
        }
        if let Some(shared) = self.shared.as_ref().filter(|_| !missing.is_empty()) {
            shared.look_later(missing);
        }
    }

    pub(super) fn news(&mut self, mut news: PersonNews) {
        let Some(shared) = &mut self.shared else { return };
        let untold = shared.is_untold(&news.user);
        if !shared.is_fresh(&news) {
            return;
        }
        let watched = shared.is_watched(&news.user);
        // A session that is on its way to this node, or from it: he is there until that is settled.
        news.elsewhere.here |= news.own && !self.people.is_here(&news.user);
        if untold {
            self.people.glance(&news.user, Some(news.elsewhere));
        } else if watched || self.people.is_here(&news.user) {
            self.people.set_elsewhere(&news.user, Some(news.elsewhere));
            if !watched {
                self.people.set_elsewhere(&news.user, None);
            }
        }
    }

    fn look_again(&mut self, bucket: u16) {
        let Some(shared) = &mut self.shared else { return };
        let users = shared.doubt(bucket);
        if !users.is_empty() {
            shared.look(users, false, Purpose::News);
        }
    }

    async fn opened(&mut self, opening: Opening, opened: Opened, reply: OpenReply) {
        let Opening { user, user_type, heard, conn, seen, issued_ms, set, .. } = opening;
        let Opened { session, from, ended, kept, luggage: Luggage { watches, rooms: stored }, news } = opened;
        let now = self.clock.now();
        let me = self.shared.as_ref().map(|shared| shared.cluster.me());
        let (resumed, polled) = (from.is_some(), self.people.polling(&user).contains(&session));
        let stays = conn.is_none() && polled;
        self.people.take_in(&user, &user_type, session.clone(), now);
        let mut line = Line { issued_ms, since: news.stamp, ..Line::new(conn, seen, set, watches) };
        line.rooms.clone_from(&stored);
        // Where it has been all the time, more may be known than Redis was told.
        let stayed = from.is_some() && from == me;
        let (mut rooms, mut all_kept) = (stored, Vec::from(self.kept.remove(&user).unwrap_or_default()));
        all_kept.extend(kept.iter().map(|payload| Frame(text_frame(payload))));
        // What a dead node's session had is known by Redis alone.
        if let Some(mut before) = self.take_over(&session, conn, stays).await.filter(|before| !before.adopted) {
            if stayed {
                line.rooms = std::mem::take(&mut before.rooms);
                line.watches = std::mem::take(&mut before.watches);
                line.kept = before.kept;
            }
            if stays {
                line.set = before.set;
                line.seen_written = before.seen_written;
                rooms = Vec::new();
            } else {
                rooms = before.set.list();
                all_kept.extend(rest_of_mail(&before, heard.as_deref()));
            }
        }
        if conn.is_none() {
            self.people.polls(&session, now);
        }
        let (set, watches) = (line.set.clone(), line.watches.clone());
        self.lines.insert(session.clone(), line);
        for (node, old) in ended {
            if Some(&node) == me.as_ref() {
                self.ended(&user, &old);
            } else {
                self.post(&node, vec![Mail::Ended { user: user.clone(), session: old }]);
            }
        }
        if let Some((from, to)) = from.zip(me).filter(|(from, me)| from != me) {
            let heard = heard.filter(|heard| heard.len() <= POSITION_BYTES);
            self.post(&from, vec![Mail::Taken { user: user.clone(), session: session.clone(), to, stamp: news.stamp, heard }]);
        }
        self.project(&news);
        self.news(news);
        let _ = reply.send(Ok(Entered { session, resumed, kept: all_kept, rooms, set, watches }));
    }

    /// Tells a node all of this, in order.
    fn post(&self, node: &str, all: Vec<Mail>) {
        let Some(shared) = &self.shared else { return };
        let (cluster, node) = (shared.cluster.clone(), node.to_owned());
        tokio::spawn(async move {
            for mail in all {
                cluster.post(&node, &mail).await;
            }
        });
    }

    /// A session without a connection goes on on another node: what its client has not heard goes there.
    fn send_after(&self, user: &UserId, session: &SessionId, to: &str, heard: Option<&str>) {
        let Some(mail) = self.mail_of(session) else { return };
        let left = |frame: Frame| Mail::Left { user: user.clone(), session: session.clone(), payload: frame.payload() };
        self.post(to, mail.rest(heard).into_iter().map(left).collect());
    }

    /// Something that a session had not told its client on another node; it is no more if the session has moved on meanwhile.
    async fn left(&mut self, session: &SessionId, frame: Frame) {
        let Some(line) = self.lines.get(session) else { return };
        match line.conn {
            Some(to) => self.to_shard(to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await,
            None => line.set.mail().push(frame, Class::Must),
        }
    }

    /// A lost session is over, because its user has begun a new one.
    fn ended(&mut self, user: &UserId, session: &SessionId) {
        self.people.give_away(session);
        self.gone_on_time(user, session);
    }

    /// A session goes on on another node: its connection is closed, and nobody hears of it.
    async fn moved(&mut self, user: &UserId, session: &SessionId) {
        let Some(line) = self.take_line(session) else { return };
        let watched = self.shared.as_ref().is_some_and(|shared| shared.is_watched(user));
        if watched && !self.people.is_elsewhere(user) {
            // He is there, although the news of it are not here yet.
            let view = self.people.view(user);
            let (user_type, choice) = (Some(view.user_type), self.people.choice(user));
            let there = Elsewhere { here: true, user_type, choice, last_seen: view.last_seen, ..Elsewhere::default() };
            self.people.set_elsewhere(user, Some(there));
            if let Some(shared) = &self.shared {
                shared.look(vec![user.clone()], false, Purpose::News);
            }
        }
        self.people.give_away(session);
        match line.conn {
            // Its rooms hear of it when the connection has ended.
            Some(to) => self.to_shard(to.shard, ShardMsg::Close { to, close: Close::Replaced, retry_after_ms: 0 }).await,
            None => {
                if let Some(mail) = line.set.some_mail() {
                    mail.close(Close::Rebalance, 0);
                }
                self.gone_later(user, session, line.set.list());
            }
        }
    }

    async fn mail(&mut self, mail: Mail) {
        match mail {
            Mail::Taken { ref user, ref session, stamp, .. } if self.lines.get(session).is_none_or(|line| line.since > stamp) => {
                let here = self.lines.contains_key(session);
                if let Some(shared) = self.shared.as_mut().filter(|shared| !here && shared.opening.contains_key(user)) {
                    shared.early.entry(user.clone()).or_default().push(mail);
                }
            }
            Mail::Taken { user, session, to, heard, .. } => {
                self.send_after(&user, &session, &to, heard.as_deref());
                self.moved(&user, &session).await;
            }
            Mail::Left { session, payload, .. } => self.left(&session, Frame(text_frame(&payload))).await,
            Mail::Ended { user, session } => self.ended(&user, &session),
            Mail::Message { user, payload } => {
                self.message(&user, Frame(text_frame(&payload))).await;
            }
        }
    }

    fn adopted(&mut self, adopted: Vec<Adopted>) {
        for Adopted { user, user_type, choice, session, ends, last_seen } in adopted {
            if self.lines.contains_key(&session) {
                continue;
            }
            self.people.adopt(&user, &user_type, session.clone(), choice, ends, last_seen);
            let line = Line::new(None, Seen::new(last_seen), RoomSet::default(), Vec::new());
            self.lines.insert(session, Line { adopted: true, ..line });
            // He may have moved on meanwhile: then this is told back.
            self.touched(&user);
        }
    }

    async fn synced(&mut self, told: Vec<(UserId, SyncOutcome)>) {
        let now = self.clock.now();
        let mut failed = None;
        for (user, outcome) in told {
            if let Some(shared) = &mut self.shared {
                shared.syncing.remove(&user);
            }
            match outcome {
                Ok((moved, news)) => {
                    for session in moved {
                        self.moved(&user, &session).await;
                    }
                    self.project(&news);
                    if !news.elsewhere.known && !self.people.is_here(&user) && !self.people.is_elsewhere(&user) {
                        self.left_for_good(&user);
                    }
                    self.looked(vec![news]);
                }
                Err(error) => {
                    for session in self.people.sessions(&user) {
                        if let Some(line) = self.lines.get_mut(&session).filter(|line| !line.adopted) {
                            line.kept = false;
                        }
                    }
                    self.touched(&user);
                    failed = Some(error);
                }
            }
        }
        let Some(shared) = &mut self.shared else { return };
        if let Some(error) = failed {
            tracing::debug!(%error, "the others are told later");
            shared.retry_at = now.plus(RETRY);
        }
        for (opening, reply) in std::mem::take(&mut shared.waiting) {
            if let Some((opening, reply)) = self.open_shared(opening, reply) {
                self.open(opening, reply).await;
            }
        }
    }
}
