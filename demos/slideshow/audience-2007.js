// The audience's page with dojox.cometd 1.6.4, written as one wrote it in 2007.

function start() {
// In short:
dojo.require("dojox.cometd");
dojox.cometd.init("../../cometd");
dojox.cometd.subscribe(channel, function (m) { draw(m.data); });
dojox.cometd.publish(channel + "/ask", {});

// The rest is the page:
}

var room = /^#[A-Za-z0-9_-]{1,40}$/.test(location.hash) ? location.hash.slice(1) : "demo";
var channel = "/slideshow/" + room;

function put(id, value, most) {
  document.getElementById(id).textContent = value == null ? "" : String(value).slice(0, most);
}

function draw(slide) {
  slide = Object(slide);
  put("title", slide.title, 120);
  put("text", slide.text, 400);
  put("count", slide.number ? slide.number + " of " + slide.of : "", 40);
}

if (window.dojo) {
  dojo.addOnLoad(start);
} else {
  addEventListener("DOMContentLoaded", function () { document.getElementById("missing").hidden = false; });
}
