//! Clients that only live: idle ones with a heartbeat now and then, and ones whose heartbeats follow each other.
use super::{
    client::{ANSWER, Client, Failure},
    crew::Crew,
    dialect::Dialect,
    frames,
};
use futures_util::future::join_all;
use tokio::time::{Duration, timeout};

const ACK: &[u8] = br#"{"type":"heartbeat_ack""#;

/// A heartbeat as the first clients send it.
fn beat(user: &str) -> String {
    format!(r#"{{"type":"heartbeat","user_id":"{user}","user_type":"user","timestamp":1700000000}}"#)
}

/// Connected clients, a heartbeat each interval.
pub(super) async fn idle(crew: Crew) {
    all(crew, rest).await;
}

/// Clients with `depth` heartbeats open each, at a rate or as fast as they are answered.
pub(super) async fn heartbeat(crew: Crew) {
    all(crew, pulse).await;
}

/// Connects this thread's clients, and lets each of them live until the deadline.
async fn all(crew: Crew, life: impl AsyncFn(&Crew, u32, &mut Client, u64) -> Result<(), Failure>) {
    let clients = crew.enter_all('c', crew.share(crew.args().clients)).await;
    crew.step().await;
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let alive = clients.into_iter().map(|(number, mut client)| {
        let (crew, life) = (&crew, &life);
        async move {
            let lived = life(crew, number, &mut client, deadline).await;
            crew.checked(lived);
            client
        }
    });
    let clients = join_all(alive).await;
    crew.step().await;
    crew.step().await;
    drop(clients);
}

/// Lives until the deadline: reads, and sends a heartbeat each interval; the first one somewhere within the interval.
async fn rest(crew: &Crew, number: u32, client: &mut Client, deadline: u64) -> Result<(), Failure> {
    let interval = crew.args().interval_ms * 1000;
    let beat = beat(&crew.user('c', number));
    let first = crew.micros() + interval * u64::from(number % 997) / 997;
    // In another dialect only the server pings.
    let mut next = if client.dialect == Dialect::Hub { first } else { deadline };
    while crew.micros() < deadline {
        let wait = Duration::from_micros(next.min(deadline).saturating_sub(crew.micros()));
        let mut acked = 0;
        let read = client.read(|payload| acked += u64::from(payload.starts_with(ACK)));
        if let Ok(read) = timeout(wait, read).await {
            read?;
        } else if crew.micros() >= next {
            client.send(&beat).await?;
            crew.tally.borrow_mut().add("heartbeats sent", 1);
            next += interval;
        }
        if acked > 0 {
            crew.did("heartbeats acked", acked);
        }
    }
    Ok(())
}

async fn pulse(crew: &Crew, number: u32, client: &mut Client, deadline: u64) -> Result<(), Failure> {
    let depth = u64::from(crew.args().depth);
    let mut burst = Vec::new();
    for _ in 0..depth {
        frames::put(&mut burst, 1, beat(&crew.user('c', number)).as_bytes());
    }
    let begin = crew.micros();
    let mut sent = 0;
    while crew.goes_on(sent, deadline) {
        let at = crew.micros();
        client.write(&burst).await?;
        sent += depth;
        let mut open = depth;
        let answered = async {
            while open > 0 {
                let mut acked = 0;
                client.read(|payload| acked += u64::from(payload.starts_with(ACK))).await?;
                open = open.saturating_sub(acked);
                crew.did("heartbeats acked", acked);
            }
            Ok(())
        };
        timeout(ANSWER, answered).await.map_err(|_| Failure::NoAnswer)??;
        crew.tally.borrow_mut().took("heartbeat", crew.micros() - at);
        if crew.args().rate > 0 {
            crew.until(Crew::due(begin, sent, crew.args().rate).min(deadline)).await;
        }
    }
    Ok(())
}
