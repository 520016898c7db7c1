// Browsers run no worker for a page that is opened as a file. The search of the manual then runs in a frame instead: a
// class with the face of Worker, which hands messages to a hidden page and back.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const inner = this.frame.contentWindow;
      this.ready = new Promise((done) => {
        inner.document.open();
        inner.document.write("<!doctype html><html><body></body></html>");
        inner.document.close();
        const run = (source) =>
          new Promise((loaded, failed) => {
            const script = inner.document.createElement("script");
            Object.assign(script, { src: source, onload: loaded, onerror: failed });
            inner.document.body.appendChild(script);
          });
        inner.importScripts = async (...sources) => {
          for (const source of sources) await run(new URL(source, url));
        };
        inner.postMessage = (data) => {
          const event = new MessageEvent("message", { data });
          this.dispatchEvent(event);
          if (this.onmessage) this.onmessage(event);
        };
        run(url).then(done);
      });
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
