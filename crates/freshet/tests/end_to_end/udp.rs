//! Line protocol in datagrams.

use std::net::UdpSocket;

use testkit::until;

use crate::server;

/// A port that nobody has.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn datagrams_are_written_and_broken_ones_alone_are_dropped() {
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = ["--udp-bind-address", &address, "--udp-bucket", "test-bucket", "--udp-precision", "s"];
    let mut server = server().args(arguments).start().await;
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    until("the points of datagrams", async || {
        // Sent again they are the same points.
        for datagram in ["m,t=a f=1 1700000000\nm,t=b f=2 1700000000", "m,t=c", "m,t=d f=4 1700000000", ""] {
            sender.send_to(datagram.as_bytes(), &address).unwrap();
        }
        let answer = server.try_sql("SELECT count(*) AS n, sum(f) AS s, max(time) AS t FROM m").await;
        let rows = if answer.status == 200 { answer.json() } else { return None };
        (rows[0]["n"] == 3 && rows[0]["s"] == 7.0 && rows[0]["t"] == "2023-11-14T22:13:20").then_some(())
    })
    .await;
    let log = server.stop().await;
    assert!(log.contains("datagrams were dropped") && log.contains("unable to parse"), "{log}");
}

#[tokio::test]
async fn datagrams_need_a_bucket() {
    let (code, log) = server().args(["--udp-bind-address", "127.0.0.1:0"]).start_and_fail().await;
    assert!(code == Some(2) && log.contains("--udp-bucket"), "{code:?}: {log}");
}
