//! Quiet people with attackers beside them: what an attack does to the answers that the others get, to `/healthz`, and to the hub's memory.
use super::{
    args::Attack,
    client::{self, Client, Failure, dial},
    crew::Crew,
    frames,
    http::Http,
};
use futures_util::future::join_all;
use std::{net::SocketAddr, thread::JoinHandle, time::Duration};
use tokio::{
    net::TcpStream,
    runtime::Builder,
    time::{sleep, timeout},
};

/// From so many addresses an attack comes, beside those of the others.
const ADDRESSES: u32 = 8;
/// How many frames a flood sends at once.
const BURST: u64 = 32;
/// How long an attacker that was refused waits before it tries again.
const REFUSED: Duration = Duration::from_millis(500);
/// How many joins are open at a time.
const JOINS: u64 = 128;
/// How often `/healthz` is asked for.
const PROBE: Duration = Duration::from_millis(50);

/// The share of one thread.
pub(super) async fn part(crew: Crew) {
    let args = crew.args().clone();
    let room = crew.room(0);
    // The others have a thread for themselves: it is the hub that is attacked, not they.
    let quiet = if crew.thread == 0 { args.clients } else { 0 };
    let mut quiet = crew.enter_all('c', 0..quiet).await;
    crew.step().await;
    for (_, client) in &mut quiet {
        crew.join(client, &room).await;
    }
    crew.together().await;
    crew.step().await;
    crew.step().await;
    let deadline = crew.deadline();
    let beside = args.threads.saturating_sub(1).max(1);
    let is_own = |number: &u32| args.threads == 1 || crew.thread == 1 + number % beside;
    let attacking = (0..args.attackers).filter(is_own).map(|number| {
        let crew = crew.clone();
        tokio::task::spawn_local(async move { attack(&crew, number, deadline).await })
    });
    let attacking: Vec<_> = attacking.collect();
    let living = quiet.into_iter().map(|(number, mut client)| {
        let crew = crew.clone();
        async move {
            let lived = live(&crew, number, &mut client, deadline).await;
            crew.checked(lived);
            client
        }
    });
    let probing = args.admin.filter(|_| crew.thread == 0).map(|admin| prober(&crew, admin, deadline));
    let quiet = join_all(living).await;
    join_all(attacking).await;
    if let Some(probing) = probing {
        let probed = probing.join().unwrap_or(Err(Failure::Ended));
        for took in crew.checked(probed).unwrap_or_default() {
            crew.tally.borrow_mut().took("healthz", took);
        }
    }
    crew.step().await;
    crew.step().await;
    drop(quiet);
}

/// Asks at the rate for a person's status, and notes how long the answer took.
async fn live(crew: &Crew, number: u32, client: &mut Client, deadline: u64) -> Result<(), Failure> {
    let rate = crew.args().rate.max(1);
    // Not all at the same moment.
    let begin = crew.micros() + u64::from(number) * 1_000_003 % 1_000_000 / u64::from(rate);
    let mut asked = 0;
    while crew.micros() < deadline {
        crew.until(Crew::due(begin, asked, rate).min(deadline)).await;
        let (at, id, user) = (crew.micros(), asked + 10, crew.user('c', number));
        let ask = format!(r#"{{"type":"request_online_status","id":{id},"user_ids":["{user}"]}}"#);
        client.send(&ask).await?;
        let is_answer = |payload: &[u8]| payload.starts_with(br#"{"type":"userOnlineStatus","id""#);
        client.wait(|payload| (is_answer(payload) || client::refusal(payload).is_some()).then_some(())).await?;
        crew.tally.borrow_mut().took("answer to the others", crew.micros() - at);
        asked += 1;
    }
    crew.did("answers to the others", asked);
    Ok(())
}

/// Asks for `/healthz` until the deadline, on a thread of its own: what the clients here are busy with is none of its answers' time.
fn prober(crew: &Crew, admin: SocketAddr, deadline: u64) -> JoinHandle<Result<Vec<u64>, Failure>> {
    let shared = crew.shared.clone();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(client::io("runtime"))?;
        runtime.block_on(async {
            let mut all = Vec::new();
            while shared.clock.micros() < deadline {
                let at = shared.clock.micros();
                Http::connect(admin, 0).await?.ask("GET", "/healthz", "").await?;
                all.push(shared.clock.micros() - at);
                sleep(PROBE).await;
            }
            Ok(all)
        })
    })
}

/// Attacks until the deadline, and begins again whenever the hub has ended it. Nothing that becomes of it is an error.
async fn attack(crew: &Crew, number: u32, deadline: u64) {
    while crew.micros() < deadline {
        let rest = Duration::from_micros(deadline.saturating_sub(crew.micros()));
        let attacked = timeout(rest, async {
            match crew.args().attack {
                Attack::None => sleep(rest).await,
                Attack::Flood => return flood(crew, number).await,
                Attack::Open => return open(crew, number).await,
                Attack::Unfinished => return unfinished(crew, number).await,
                Attack::Join => return join(crew, number).await,
            }
            Ok(())
        });
        match attacked.await {
            Ok(Err(Failure::Closed(code))) => crew.tally.borrow_mut().add(ended(code), 1),
            Ok(Err(Failure::Refused(_) | Failure::Io(..) | Failure::Ended)) => {
                crew.tally.borrow_mut().add("attackers turned away", 1);
                sleep(REFUSED).await;
            }
            Ok(Err(failure)) => crew.tally.borrow_mut().failed(&failure),
            Ok(Ok(())) | Err(_) => return,
        }
    }
}

const fn ended(code: u16) -> &'static str {
    match code {
        1009 => "attackers closed with 1009",
        4129 => "attackers closed with 4129",
        _ => "attackers closed otherwise",
    }
}

fn source(crew: &Crew, number: u32) -> u32 {
    crew.args().sources + number % ADDRESSES
}

async fn enter(crew: &Crew, number: u32) -> Result<Client, Failure> {
    let mut client = Client::connect(crew.target(number), source(crew, number)).await?;
    client.hello(&crew.user('a', number), "").await?;
    crew.tally.borrow_mut().add("attackers let in", 1);
    Ok(client)
}

/// Commands of all kinds in the room of the others, as fast as the socket takes them.
async fn flood(crew: &Crew, number: u32) -> Result<(), Failure> {
    let mut client = enter(crew, number).await?;
    let room = crew.room(0);
    let kinds = [r#""queue_join""#, r#""queue_leave""#, r#""seat_take""#, r#""status_change","status":"busy""#];
    let mut burst = Vec::new();
    for (id, kind) in (2..2 + BURST).zip(kinds.iter().cycle()) {
        frames::put(&mut burst, 1, format!(r#"{{"type":{kind},"id":{id},"room_id":"{room}"}}"#).as_bytes());
    }
    client.send(&format!(r#"{{"type":"room_join","id":1,"room_id":"{room}"}}"#)).await?;
    loop {
        let written = client.write(&burst).await;
        crew.did("frames of the flood", BURST);
        // Why the hub has ended it is behind what is still to be read.
        let reading = async {
            loop {
                client.read(|_| ()).await?;
            }
        };
        timeout(Duration::from_millis(1), reading).await.unwrap_or(written)?;
    }
}

/// Half a request, and nothing more.
async fn open(crew: &Crew, number: u32) -> Result<(), Failure> {
    let stream: TcpStream = dial(crew.target(number), source(crew, number), None).await?;
    crew.did("connections of the attack", 1);
    let _ = stream.try_write(b"GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    let mut waste = [0; 256];
    loop {
        stream.readable().await.map_err(client::io("read"))?;
        match stream.try_read(&mut waste) {
            Ok(0) => return Err(Failure::Ended),
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(client::io("read")(error)),
            _ => {}
        }
    }
}

/// A message as large as may be that never ends, and nothing is read.
async fn unfinished(crew: &Crew, number: u32) -> Result<(), Failure> {
    let mut client = enter(crew, number).await?;
    let mut frame = Vec::new();
    frames::put(&mut frame, 1, &[b'x'; 16_000]);
    frame.truncate(15_000);
    client.write(&frame).await?;
    crew.did("messages without end", 1);
    loop {
        client.read(|_| ()).await?;
    }
}

/// Joins one room after the other, and leaves none.
async fn join(crew: &Crew, number: u32) -> Result<(), Failure> {
    let mut client = enter(crew, number).await?;
    let mut joined = 0;
    while crew.args().count == 0 || joined < crew.args().count {
        let mut burst = Vec::new();
        for id in joined..joined + JOINS {
            let room = format!("{}-{number}-{id}", crew.room(1));
            frames::put(&mut burst, 1, format!(r#"{{"type":"room_join","id":{id},"room_id":"{room}"}}"#).as_bytes());
        }
        client.write(&burst).await?;
        let (mut open, mut refused) = (JOINS, 0);
        while open > 0 {
            let mut answered = 0;
            client
                .read(|payload| {
                    answered += u64::from(client::answer_id(payload).is_some());
                    refused += u64::from(client::refusal(payload).is_some());
                })
                .await?;
            open = open.saturating_sub(answered);
        }
        joined += JOINS;
        crew.did("joins tried", JOINS);
        crew.tally.borrow_mut().add("joins refused", refused);
    }
    Ok(())
}
