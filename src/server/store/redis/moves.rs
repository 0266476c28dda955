//! Slots of a real Cluster move while this node listens to channels in them: none may fall silent.
use super::{
    connect::{Conn, Shape},
    live::{Ear, Heard},
    testing,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

const CHANNELS: usize = 2_000;
/// How often everybody who is silent is called, a second apart.
const ROUNDS: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_channel_is_silent_after_slots_have_moved() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Arc::new(xtask::bed::RedisCluster::start(dir.path()).unwrap());
    let store = testing::store("", |settings| {
        settings.urls = cluster.urls().split(',').map(str::to_owned).collect();
        settings.shape = Shape::Cluster;
    });
    let (said, mut messages) = mpsc::unbounded_channel();
    let channels: Vec<String> = (0..CHANNELS).map(|number| format!("{{r:{number}}}:l")).collect();
    let listening = channels.iter().map(|channel| {
        let (said, name) = (said.clone(), channel.clone());
        let ear: Ear = Arc::new(move |heard| {
            if let Heard::Message(_) = heard {
                said.send(name.clone()).unwrap();
            }
        });
        store.live.listen(channel.clone(), ear)
    });
    assert!(futures_util::future::join_all(listening).await.into_iter().all(|confirmed| confirmed));
    // The first slot raises the Cluster's epoch, which is noticed by itself; the others do not.
    for slots in [1, 3_000] {
        let moving = cluster.clone();
        tokio::task::spawn_blocking(move || moving.reshard(slots)).await.unwrap().unwrap();
        let nothing = timeout(Duration::from_secs(3), messages.recv()).await;
        assert!(nothing.is_err(), "somebody was heard whom nobody called");
    }

    let mut conn = store.settings.connect(None).await.unwrap();
    let mut silent: BTreeSet<String> = channels.into_iter().collect();
    for round in 1..=ROUNDS {
        for channel in &silent {
            call(&mut conn, channel).await;
        }
        let heard = async {
            while let Some(channel) = messages.recv().await {
                silent.remove(&channel);
                if silent.is_empty() {
                    return;
                }
            }
        };
        if timeout(Duration::from_secs(1), heard).await.is_ok() {
            println!("everybody was heard in round {round}");
            return;
        }
    }
    panic!("{} channels are silent: {silent:?}", silent.len());
}

async fn call(conn: &mut Conn, channel: &str) {
    redis::cmd("SPUBLISH").arg(channel).arg("hear").query_async::<u64>(conn).await.unwrap();
}
