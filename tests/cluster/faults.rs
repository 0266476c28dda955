//! What breaks: nodes, Redis, and what lies between them.
use crate::{
    history::{check, pause},
    nodes::Nodes,
};

/// Redis keeps what it was told in a file, so that it has it after a kill -9.
const KEEPING: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_breaks() {
    check(Nodes::start(3, &[]), async |_, _| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed() {
    check(Nodes::start(3, &[]), async |nodes, addresses| {
        nodes.kill(1);
        *addresses.lock().unwrap() = nodes.addresses();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stands_still() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        nodes.hubs[1].signal("STOP");
        // Longer than the lease: the others clear up after it, and it comes back.
        pause(5_000).await;
        nodes.hubs[1].signal("CONT");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back() {
    check(Nodes::on(3, &[], KEEPING), async |nodes, _| {
        nodes.redis.kill();
        pause(700).await;
        nodes.redis.restart().unwrap();
        pause(2_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_empty() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        nodes.redis.restart().unwrap();
        pause(3_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_emptied_while_it_runs() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        nodes.redis.ask("FLUSHALL").unwrap();
        pause(3_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_pauses() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        nodes.redis.ask("CLIENT PAUSE 1500 WRITE").unwrap();
        pause(2_500).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stands_still() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        nodes.redis.freeze().unwrap();
        pause(3_000).await;
        nodes.redis.thaw().unwrap();
        pause(2_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_drops_its_clients_and_scripts() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        for _ in 0..3 {
            nodes.redis.ask("CLIENT KILL TYPE pubsub").unwrap();
            nodes.redis.ask("SCRIPT FLUSH").unwrap();
            pause(300).await;
            nodes.redis.ask("CLIENT KILL TYPE normal").unwrap_or_default();
            pause(300).await;
        }
    })
    .await;
}
