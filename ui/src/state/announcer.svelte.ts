// Sentences for screen readers. Two live regions take turns, so that the same sentence twice is said twice.

class Announcer {
  polite = $state(["", ""]);
  urgent = $state("");
  private turn = 0;

  say(sentence: string): void {
    this.turn = 1 - this.turn;
    this.polite = this.turn ? ["", sentence] : [sentence, ""];
  }

  alarm(sentence: string): void {
    this.urgent = sentence;
  }
}

export const announcer = new Announcer();
