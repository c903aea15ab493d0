// Package sink owns the receiving ends of alerts: an HTTP server for webhooks
// and chat services, an SMTP server, an InfluxDB of any version, and an MQTT
// broker, all on the loopback interface.
//
// It guarantees that a sink records what it has accepted, in order and bounded, and
// that it fails on command: by status, delay, hang, reset, or by not listening. A
// sink is as strict as the real service - line protocol is parsed, mail is decoded -
// so that a recorded message would have been understood; and a database stores what
// the real one does: points of equal series and time are one.
//
// It must never forward anything, and never accept what the real service refuses
// just to make a test pass.
package sink
