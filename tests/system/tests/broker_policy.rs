//! The broker's walls, tested from outside with an independent client: Debian's mosquitto_pub and _sub.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use obscura_system_tests::{Broker, Site, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

/// A site with two devices and a running broker.
struct Bench {
    site: Site,
    _broker: Broker,
}

impl Bench {
    fn new() -> Self {
        let site = Site::make().unwrap();
        add_device(&site, "device-2");
        let broker = site.start_broker().unwrap();
        Self {
            site,
            _broker: broker,
        }
    }

    fn folder(&self, who: &str) -> PathBuf {
        self.site.path("site").join(who)
    }

    /// A client program with the certificate in the folder `who`.
    fn client(&self, program: &str, who: &str) -> Command {
        let mut command = self.anonymous(program);
        let folder = self.folder(who);
        command
            .arg("--cert")
            .arg(folder.join("mqtt.pem"))
            .arg("--key")
            .arg(folder.join("mqtt.key.pem"));
        command
    }

    fn anonymous(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(["-h", "127.0.0.1", "-V", "mqttv5", "-q", "1", "-p"])
            .arg(self.site.port().to_string());
        command.arg("--cafile").arg(self.folder("broker/ca.pem"));
        command
    }

    fn publish(&self, who: &str, topic: &str, message: &str) -> Output {
        self.client("mosquitto_pub", who)
            .args(["-t", topic, "-m", message])
            .output()
            .unwrap()
    }

    /// Listens as `who` on `topics` for the first message.
    fn listen(&self, who: &str, topics: &[&str]) -> Child {
        let mut command = self.client("mosquitto_sub", who);
        for topic in topics {
            command.args(["-t", topic]);
        }
        command
            .args(["-C", "1", "-F", "%t %p"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Calls `publish` again and again until `listener` has heard one message, and gives that message.
    fn first_heard(&self, mut listener: Child, publish: impl Fn(&Self)) -> String {
        wait_until("a message", LIMIT, || {
            publish(self);
            Ok(listener.try_wait().unwrap())
        })
        .unwrap();
        let output = listener.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn add_device(site: &Site, name: &str) {
    let mut add = site.program("obscura-provision").unwrap();
    site.run(add.args(["add-device", "--site", "site", "--name", name]))
        .unwrap();
}

#[test]
fn a_device_is_heard_on_its_own_topic_only() {
    let bench = Bench::new();
    let listener = bench.listen("box", &["obscura/v1/+/up"]);
    let heard = bench.first_heard(listener, |bench| {
        bench.publish("device-1", "obscura/v1/device-2/up", "forged");
        bench.publish("device-1", "obscura/v1/device-1/up", "genuine");
    });
    assert_eq!(heard, "obscura/v1/device-1/up genuine");
}

#[test]
fn a_device_hears_the_answers_to_itself_only() {
    let bench = Bench::new();
    let topics = [
        "#",
        "obscura/v1/+/down",
        "obscura/v1/device-1/down",
        "obscura/v1/device-1/up",
    ];
    let listener = bench.listen(
        "device-2",
        &[topics.as_slice(), &["obscura/v1/device-2/down"]].concat(),
    );
    let heard = bench.first_heard(listener, |bench| {
        bench.publish("device-1", "obscura/v1/device-1/up", "a question of another");
        bench.publish("box", "obscura/v1/device-1/down", "an answer to another");
        bench.publish("box", "obscura/v1/device-2/down", "an answer");
    });
    assert_eq!(heard, "obscura/v1/device-2/down an answer");
}

#[test]
fn a_device_cannot_answer_in_the_name_of_the_box() {
    let bench = Bench::new();
    let listener = bench.listen("device-2", &["obscura/v1/device-2/down"]);
    let heard = bench.first_heard(listener, |bench| {
        bench.publish("device-1", "obscura/v1/device-2/down", "forged");
        bench.publish("device-2", "obscura/v1/device-2/down", "forged by itself");
        bench.publish("box", "obscura/v1/device-2/down", "genuine");
    });
    assert_eq!(heard, "obscura/v1/device-2/down genuine");
}

#[test]
fn nothing_outside_the_prefix_is_carried() {
    let bench = Bench::new();
    let listener = bench.listen("box", &["#", "obscura/v1/+/up"]);
    let heard = bench.first_heard(listener, |bench| {
        bench.publish("device-1", "anything", "outside");
        bench.publish("device-1", "obscura/v2/device-1/up", "another version");
        bench.publish("device-1", "obscura/v1/device-1/up", "inside");
    });
    assert_eq!(heard, "obscura/v1/device-1/up inside");
}

#[test]
fn a_retained_message_is_refused() {
    let bench = Bench::new();
    let publish = |retain: &[&str]| {
        let mut command = bench.client("mosquitto_pub", "device-1");
        command
            .args(["-t", "obscura/v1/device-1/up", "-m", "stale"])
            .args(retain)
            .output()
            .unwrap()
    };
    assert!(publish(&[]).status.success());
    let refused = publish(&["-r"]);
    let listener = bench.listen("box", &["obscura/v1/+/up"]);
    let heard = bench.first_heard(listener, |bench| {
        bench.publish("device-1", "obscura/v1/device-1/up", "fresh");
    });
    assert_eq!(heard, "obscura/v1/device-1/up fresh", "{refused:?}");
}

#[test]
fn a_client_without_a_certificate_of_this_site_is_refused() {
    let (bench, other) = (Bench::new(), Site::make().unwrap());
    let message = ["-t", "obscura/v1/device-1/up", "-m", "x"];
    let accepted = bench.publish("device-1", "obscura/v1/device-1/up", "x");
    assert!(accepted.status.success(), "{accepted:?}");
    let without = bench.anonymous("mosquitto_pub").args(message).output().unwrap();
    assert!(!without.status.success(), "{without:?}");
    let stranger = other.path("site/device-1");
    let mut foreign = bench.anonymous("mosquitto_pub");
    foreign
        .arg("--cert")
        .arg(stranger.join("mqtt.pem"))
        .arg("--key")
        .arg(stranger.join("mqtt.key.pem"));
    let foreign = foreign.args(message).output().unwrap();
    assert!(!foreign.status.success(), "{foreign:?}");
}

#[test]
fn tls_below_1_3_is_refused() {
    let bench = Bench::new();
    let publish = |highest: &str| {
        // The client has no option for its highest version, but the library under it reads this.
        let settings = bench.site.path("openssl.cnf");
        let text = format!(
            "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = {highest}\n"
        );
        std::fs::write(&settings, text).unwrap();
        let mut command = bench.client("mosquitto_pub", "device-1");
        command
            .args(["-t", "obscura/v1/device-1/up", "-m", "x"])
            .env("OPENSSL_CONF", settings)
            .output()
            .unwrap()
    };
    let accepted = publish("TLSv1.3");
    assert!(accepted.status.success(), "{accepted:?}");
    let refused = publish("TLSv1.2");
    assert!(!refused.status.success(), "{refused:?}");
}

#[test]
fn a_broker_of_another_site_is_not_trusted() {
    let (bench, other) = (Bench::new(), Site::make().unwrap());
    let folder = bench.folder("device-1");
    let mut client = Command::new("mosquitto_pub");
    client
        .args(["-h", "127.0.0.1", "-V", "mqttv5", "-q", "1", "-p"])
        .arg(bench.site.port().to_string());
    client.arg("--cafile").arg(other.path("site/broker/ca.pem"));
    client
        .arg("--cert")
        .arg(folder.join("mqtt.pem"))
        .arg("--key")
        .arg(folder.join("mqtt.key.pem"));
    let refused = client
        .args(["-t", "obscura/v1/device-1/up", "-m", "x"])
        .output()
        .unwrap();
    assert!(!refused.status.success(), "{refused:?}");
}
