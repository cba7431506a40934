//! The admin calls that the library has; what it reports for one thing asked is its error.

use std::collections::HashMap;
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{json, Value};

use crate::{config, number, text, Outcome, Role};

const CALL_TIME: Duration = Duration::from_secs(20);

pub struct Admin {
    bootstrap: String,
    kafka: AdminClient<DefaultClientContext>,
    options: AdminOptions,
}

impl Admin {
    pub fn open(bootstrap: &str) -> Outcome<Self> {
        Ok(Self {
            bootstrap: bootstrap.into(),
            kafka: config(bootstrap, &[]).create()?,
            options: AdminOptions::new().operation_timeout(Some(CALL_TIME)),
        })
    }

    /// A consumer in name only, for what the admin itself cannot ask.
    fn consumer(&self, group: &str) -> Outcome<BaseConsumer> {
        Ok(config(&self.bootstrap, &[("group.id", group), ("enable.auto.commit", "false")]).create()?)
    }

    fn topics(&self) -> Outcome<Vec<String>> {
        let metadata = self.kafka.inner().fetch_metadata(None, CALL_TIME)?;
        Ok(metadata.topics().iter().map(|one| one.name().to_string()).collect())
    }

    fn nodes(&self) -> Outcome<Value> {
        let metadata = self.kafka.inner().fetch_metadata(None, CALL_TIME)?;
        Ok(metadata.brokers().iter().map(|one| format!("{}:{}", one.host(), one.port())).collect())
    }

    fn create_topic(&self, name: &str, partitions: i64) -> Outcome<()> {
        let topic = NewTopic::new(name, partitions.try_into()?, TopicReplication::Fixed(1));
        only(block_on(self.kafka.create_topics([&topic], &self.options))?)
    }

    fn delete_topic(&self, name: &str) -> Outcome<Value> {
        only(block_on(self.kafka.delete_topics(&[name], &self.options))?)?;
        Ok(Value::Null)
    }

    fn create_partitions(&self, topic: &str, count: i64) -> Outcome<Value> {
        let wanted = NewPartitions::new(topic, count.try_into()?);
        only(block_on(self.kafka.create_partitions([&wanted], &self.options))?)?;
        Ok(Value::Null)
    }

    /// Name to value and whether it is set on the topic itself.
    fn entries(&self, topic: &str) -> Outcome<HashMap<String, (String, bool)>> {
        let which = ResourceSpecifier::Topic(topic);
        let found = block_on(self.kafka.describe_configs([&which], &self.options))?.remove(0)?;
        let entries = found.entries.into_iter();
        Ok(entries
            .map(|one| (one.name, (one.value.unwrap_or_default(), one.source == ConfigSource::DynamicTopic)))
            .collect())
    }

    /// The library has only the old call, which sets all that the topic has: what is set already has to come along.
    /// It keeps the refusal of a single topic to itself, so what has become of the entries is looked up afterwards.
    fn alter_configs(&self, topic: &str, request: &Value) -> Outcome<Value> {
        let mut wanted: HashMap<String, String> = HashMap::new();
        for (name, (value, own)) in self.entries(topic)? {
            if own {
                wanted.insert(name, value);
            }
        }
        wanted.extend(serde_json::from_value::<HashMap<_, _>>(request["changed"].clone())?);
        for name in serde_json::from_value::<Vec<String>>(request["deleted"].clone())? {
            wanted.remove(&name);
        }
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in &wanted {
            change = change.set(name, value);
        }
        block_on(self.kafka.alter_configs([&change], &self.options))?.remove(0).map_err(|(_, code)| code)?;
        let found = self.entries(topic)?;
        match wanted.iter().find(|(name, value)| found.get(*name).is_none_or(|(now, _)| now != *value)) {
            Some((name, _)) => Err(format!("{name} was not taken").into()),
            None => Ok(Value::Null),
        }
    }

    fn delete_records(&self, topic: &str, request: &Value) -> Outcome<Value> {
        let partition = number(request, "partition")?.try_into()?;
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(number(request, "before")?))?;
        let done = block_on(self.kafka.delete_records(&before, &self.options))?;
        let one = done.find_partition(topic, partition).ok_or("no answer for the partition")?;
        one.error()?;
        Ok(one.offset().to_raw().into())
    }

    fn offsets(&self, topic: &str, partition: i64) -> Outcome<Value> {
        let (first, next) = self.kafka.inner().fetch_watermarks(topic, partition.try_into()?, CALL_TIME)?;
        Ok(json!([first, next]))
    }

    fn groups(&self) -> Outcome<Value> {
        let found = self.kafka.inner().fetch_group_list(None, CALL_TIME)?;
        Ok(found.groups().iter().map(|one| one.name()).collect())
    }

    fn describe_group(&self, group: &str) -> Outcome<Value> {
        let found = self.kafka.inner().fetch_group_list(Some(group), CALL_TIME)?;
        let one = found.groups().first().ok_or("no such group")?;
        Ok(json!([one.state().to_lowercase(), one.members().len()]))
    }

    fn delete_group(&self, group: &str) -> Outcome<Value> {
        only(block_on(self.kafka.delete_groups(&[group], &self.options))?)?;
        Ok(Value::Null)
    }

    fn committed(&self, group: &str, topic: &str) -> Outcome<Value> {
        let metadata = self.kafka.inner().fetch_metadata(Some(topic), CALL_TIME)?;
        let mut which = TopicPartitionList::new();
        for one in metadata.topics()[0].partitions() {
            which.add_partition(topic, one.id());
        }
        let found = self.consumer(group)?.committed_offsets(which, CALL_TIME)?;
        let there = found.elements().into_iter().filter_map(|one| match one.offset() {
            Offset::Offset(offset) => Some((one.partition().to_string(), json!(offset))),
            _ => None,
        });
        Ok(Value::Object(there.collect()))
    }

    fn commit_for(&self, group: &str, topic: &str, request: &Value) -> Outcome<Value> {
        let mut wanted = TopicPartitionList::new();
        for (partition, offset) in serde_json::from_value::<HashMap<String, i64>>(request["offsets"].clone())? {
            wanted.add_partition_offset(topic, partition.parse()?, Offset::Offset(offset))?;
        }
        self.consumer(group)?.commit(&wanted, CommitMode::Sync)?;
        Ok(Value::Null)
    }

    fn call(&self, request: &Value) -> Outcome<Value> {
        let topic = || text(request, "topic");
        let group = || text(request, "group");
        match text(request, "do")? {
            "nodes" => self.nodes(),
            "delete_topic" => self.delete_topic(text(request, "name")?),
            "create_partitions" => self.create_partitions(topic()?, number(request, "count")?),
            "describe_configs" => {
                let entries = self.entries(topic()?)?.into_iter();
                Ok(Value::Object(entries.map(|(name, (value, _))| (name, value.into())).collect()))
            }
            "alter_configs" => self.alter_configs(topic()?, request),
            "delete_records" => self.delete_records(topic()?, request),
            "offsets" => self.offsets(topic()?, number(request, "partition")?),
            "groups" => self.groups(),
            "describe_group" => self.describe_group(group()?),
            "delete_group" => self.delete_group(group()?),
            "committed" => self.committed(group()?, topic()?),
            "commit_for" => self.commit_for(group()?, topic()?, request),
            other => Err(format!("the client has no call {other}").into()),
        }
    }
}

impl Role for Admin {
    fn handle(&mut self, request: &Value) -> Outcome<Option<Value>> {
        Ok(Some(match text(request, "do")? {
            "topics" => json!({ "topics": self.topics()? }),
            "create_topic" => {
                self.create_topic(text(request, "name")?, number(request, "partitions")?)?;
                json!({})
            }
            _ => json!({ "result": self.call(request)? }),
        }))
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}

/// The outcome for the one thing that was asked.
fn only(outcomes: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Outcome<()> {
    for outcome in outcomes {
        outcome.map_err(|(_, code)| code)?;
    }
    Ok(())
}
