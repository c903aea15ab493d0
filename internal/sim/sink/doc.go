// Package sink owns the receiving ends of alerts: an HTTP server for webhooks
// and chat services, an SMTP server, an InfluxDB of any version, and an MQTT
// broker, all on the loopback interface.
//
// It guarantees that a sink records what it accepted, in order and bounded, and
// that it fails on command: by status, delay, hang, reset, or by not listening
// at all. A sink judges what arrives as strictly as the real thing does - line
// protocol is parsed, mail is decoded - so that a message which is recorded
// would have been understood; and a database keeps what the real one keeps:
// points of equal series and time are one.
//
// It must never deliver anything further, and never accept what the real
// service refuses just to make a test pass.
package sink
