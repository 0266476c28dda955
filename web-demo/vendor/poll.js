// @michub/client, built from clients/web; MIT OR Apache-2.0
var o=class{onopen;onmessage;onclose;constructor(o,s){queueMicrotask(()=>this.onclose?.({code:1006,reason:"polling"}))}send(){}close(){this.onclose=null}};export{o as PollLine};
