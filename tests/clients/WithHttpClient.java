// A client made of Java's own java.net.http.WebSocket, told what to do on stdin (see README.md).
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;

public class WithHttpClient implements WebSocket.Listener {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final StringBuilder parts = new StringBuilder();

    private static synchronized void say(String line) {
        OUT.println(line);
    }

    @Override
    public void onOpen(WebSocket socket) {
        say("open " + (socket.getSubprotocol().isEmpty() ? "-" : socket.getSubprotocol()));
        socket.request(1);
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
        parts.append(data);
        if (last) {
            say("text " + parts);
            parts.setLength(0);
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onPong(WebSocket socket, ByteBuffer data) {
        say("pong");
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        say("closed " + code);
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        say("closed 1006");
    }

    private static WebSocket open(String[] words) {
        var builder = HttpClient.newHttpClient().newWebSocketBuilder();
        if (words.length > 1) {
            builder.subprotocols(words[1], Arrays.copyOfRange(words, 2, words.length));
        }
        try {
            return builder.buildAsync(URI.create(words[0]), new WithHttpClient()).join();
        } catch (CompletionException failed) {
            if (!(failed.getCause() instanceof WebSocketHandshakeException refused)) {
                throw failed;
            }
            say("refused " + refused.getResponse().statusCode());
            return null;
        }
    }

    public static void main(String[] args) throws Exception {
        WebSocket socket = null;
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String what = line.split(" ", 2)[0];
            String rest = line.substring(Math.min(line.length(), what.length() + 1));
            switch (what) {
                case "open" -> socket = open(rest.split(" "));
                case "send" -> socket.sendText(rest, true).join();
                case "ping" -> socket.sendPing(ByteBuffer.allocate(0)).join();
                case "close" -> socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
                default -> { }
            }
        }
        System.exit(0);
    }
}
