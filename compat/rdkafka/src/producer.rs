//! The producer: a thread of the library's own polls it, and what was not delivered is told by the next flush.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use serde_json::{json, Value};

use crate::{config, decoded, number, text, Outcome, Role};

const FLUSH_TIME: Duration = Duration::from_secs(60);
const FULL_TIME: Duration = Duration::from_millis(10);

#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Option<String>>>);

impl Failures {
    fn note(&self, why: String) {
        self.0.lock().unwrap().get_or_insert(why);
    }
}

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            self.note(error.to_string());
        }
    }
}

pub struct Producer {
    kafka: ThreadedProducer<Failures>,
    failures: Failures,
}

impl Producer {
    pub fn open(bootstrap: &str, request: &Value) -> Outcome<Self> {
        let idempotent = request["idempotent"] == true;
        let settings = [
            ("acks", text(request, "acks")?),
            ("compression.type", text(request, "codec")?),
            ("message.max.bytes", "2000000"),
            ("max.in.flight.requests.per.connection", if idempotent { "5" } else { "1" }),
            ("enable.idempotence", if idempotent { "true" } else { "false" }),
        ];
        let failures = Failures::default();
        let kafka = config(bootstrap, &settings).create_with_context(failures.clone())?;
        Ok(Self { kafka, failures })
    }

    fn send(&self, request: &Value) -> Outcome<()> {
        let (key, value) = (decoded(&request["key"])?, decoded(&request["value"])?);
        let mut headers = OwnedHeaders::new();
        for pair in request["headers"].as_array().ok_or("headers are no list")? {
            let content = decoded(&pair[1])?;
            headers = headers.insert(Header { key: pair[0].as_str().unwrap_or_default(), value: content.as_ref() });
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(text(request, "topic")?)
            .partition(i32::try_from(number(request, "partition")?)?)
            .headers(headers);
        record.key = key.as_deref();
        record.payload = value.as_deref();
        record.timestamp = request["timestamp_ms"].as_i64();
        loop {
            match self.kafka.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(FULL_TIME);
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

impl Role for Producer {
    fn handle(&mut self, request: &Value) -> Outcome<Option<Value>> {
        if request["do"] == "send" {
            if let Err(error) = self.send(request) {
                self.failures.note(error.to_string());
            }
            return Ok(None);
        }
        self.kafka.flush(FLUSH_TIME)?;
        match self.failures.0.lock().unwrap().take() {
            Some(why) => Err(why.into()),
            None => Ok(Some(json!({}))),
        }
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(self.kafka.flush(FLUSH_TIME)?)
    }
}
