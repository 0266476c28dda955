//! What breaks: nodes, Redis, and what lies between them.
use crate::{
    history::{check, lasting, pause},
    nodes::Nodes,
};
use std::time::Duration;
use xtask::bed::{Proxy, RedisCluster, Sentinels};

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
        pause(lasting(5_000)).await;
        nodes.hubs[1].signal("CONT");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back() {
    check(Nodes::on(3, &[], KEEPING), async |nodes, _| {
        nodes.redis.kill();
        pause(lasting(700)).await;
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
        let ms = lasting(1_500);
        nodes.redis.ask(&format!("CLIENT PAUSE {ms} WRITE")).unwrap();
        pause(ms + 1_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stands_still() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        nodes.redis.freeze().unwrap();
        pause(lasting(3_000)).await;
        nodes.redis.thaw().unwrap();
        pause(2_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_drops_its_clients_and_scripts() {
    check(Nodes::start(3, &[]), async |nodes, _| {
        for _ in 0..lasting(1_800).div_ceil(600) {
            nodes.redis.ask("CLIENT KILL TYPE pubsub").unwrap();
            nodes.redis.ask("SCRIPT FLUSH").unwrap();
            pause(300).await;
            nodes.redis.ask("CLIENT KILL TYPE normal").unwrap_or_default();
            pause(300).await;
        }
    })
    .await;
}

/// Three hubs, one of which reaches Redis over a line that can be broken.
fn over_a_line() -> (Nodes, Proxy) {
    let mut nodes = Nodes::start(2, &[]);
    let proxy = Proxy::start(vec![([127, 0, 0, 1], nodes.redis.port()).into()], 1).unwrap();
    nodes.add_reaching(format!("redis://{}", proxy.address()));
    (nodes, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_cut_off_from_redis() {
    let (nodes, proxy) = over_a_line();
    check(nodes, async |_, _| {
        proxy.partition();
        // Longer than the lease.
        pause(lasting(4_000)).await;
        proxy.heal();
        pause(1_500).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_redis_are_lost() {
    let (nodes, proxy) = over_a_line();
    check(nodes, async |_, _| {
        for _ in 0..3 {
            proxy.stall(false, true);
            pause(lasting(2_100) / 3).await;
            proxy.heal();
            pause(300).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_to_redis_is_slow_and_breaks_in_the_middle() {
    let (nodes, proxy) = over_a_line();
    check(nodes, async |_, _| {
        proxy.delay(Duration::from_millis(10), Duration::from_millis(20));
        for bytes in [1, 77, 1_000, 4_001] {
            proxy.cut_after(bytes);
            pause(lasting(2_000) / 4).await;
        }
        proxy.heal();
        pause(1_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_moves_slots_and_loses_a_master() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = RedisCluster::start(dir.path()).unwrap();
    let settings = [("STORE__REDIS__SHAPE", "cluster")];
    check(Nodes::reaching(redis.urls(), 3, &settings), async |_, _| {
        redis.reshard(3_000).unwrap();
        pause(500).await;
        redis.servers[0].kill();
        pause(6_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_choose_another_master() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Sentinels::start(dir.path()).unwrap();
    let settings = [("STORE__REDIS__SHAPE", "sentinel")];
    check(Nodes::reaching(redis.urls(), 3, &settings), async |_, _| {
        redis.servers[0].kill();
        pause(6_000).await;
    })
    .await;
}
