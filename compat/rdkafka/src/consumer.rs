//! Readers and members: both are the library's consumer, with partitions given or with a topic subscribed to.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{json, Value};

use crate::{config, encoded, number, partitions, text, Outcome, Role};

const LOOK_UP_TIME: Duration = Duration::from_secs(20);
const NEXT_TIME: Duration = Duration::from_millis(10);
const RECORDS_MAX: usize = 500;

pub struct Reading {
    kafka: BaseConsumer,
}

impl Reading {
    pub fn from(bootstrap: &str, request: &Value) -> Outcome<Self> {
        let kafka = open(bootstrap, &[("group.id", "none")])?;
        let (topic, value) = (text(request, "topic")?, number(request, "value")?);
        let offset = match text(request, "at")? {
            "begin" => Offset::Beginning,
            "end" => Offset::End,
            // A time is asked for in the place of an offset.
            _ => Offset::Offset(value),
        };
        let mut wanted = TopicPartitionList::new();
        for partition in partitions(request)? {
            wanted.add_partition_offset(topic, partition, offset)?;
        }
        if request["at"] == "time" {
            wanted = kafka.offsets_for_times(wanted, LOOK_UP_TIME)?;
        }
        kafka.assign(&wanted)?;
        Ok(Self { kafka })
    }

    pub fn member(bootstrap: &str, request: &Value) -> Outcome<Self> {
        let settings =
            [("group.id", text(request, "group")?), ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")];
        let kafka = open(bootstrap, &settings)?;
        kafka.subscribe(&[text(request, "topic")?])?;
        Ok(Self { kafka })
    }

    fn poll(&self, timeout: Duration) -> Outcome<Vec<Value>> {
        let mut found = Vec::new();
        let mut wait = timeout;
        while found.len() < RECORDS_MAX {
            match self.kafka.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    found.push(line(&message)?);
                    wait = NEXT_TIME;
                }
                // A broker that is away, mostly; the library goes on by itself.
                Some(Err(error)) => eprintln!("{error}"),
            }
        }
        Ok(found)
    }

    fn assigned(&self) -> Outcome<Vec<i32>> {
        Ok(self.kafka.assignment()?.elements().iter().map(|one| one.partition()).collect())
    }
}

impl Role for Reading {
    fn handle(&mut self, request: &Value) -> Outcome<Option<Value>> {
        Ok(Some(match text(request, "do")? {
            "poll" => {
                let timeout = Duration::from_millis(number(request, "timeout_ms")?.try_into()?);
                json!({ "records": self.poll(timeout)? })
            }
            "assigned" => json!({ "partitions": self.assigned()? }),
            "commit" => {
                // A rebalance has come in between, or there is nothing new; records come again to whoever has them now.
                if let Err(error) = self.kafka.commit_consumer_state(CommitMode::Sync) {
                    eprintln!("{error}");
                }
                json!({})
            }
            other => return Err(format!("a reader does not {other}").into()),
        }))
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        drop(self.kafka);
        Ok(())
    }
}

fn open(bootstrap: &str, settings: &[(&str, &str)]) -> Outcome<BaseConsumer> {
    let mut config = config(bootstrap, settings);
    config.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    Ok(config.create()?)
}

fn line(message: &BorrowedMessage<'_>) -> Outcome<Value> {
    let mut headers = Vec::new();
    for header in message.headers().into_iter().flat_map(|all| all.iter()) {
        headers.push(json!([header.key, encoded(Some(header.value.unwrap_or_default()))]));
    }
    Ok(json!({
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_ms": message.timestamp().to_millis(),
        "key": encoded(message.key()),
        "value": encoded(message.payload()),
        "headers": headers,
    }))
}
