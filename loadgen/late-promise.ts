/** A request that is its own promise. One is made only for who awaits it: most scripts do not. */
export abstract class LatePromise<Answer> implements PromiseLike<Answer> {
  protected ended = false;
  #resolve: ((answer: Answer) => void) | null = null;

  /** The request without its `then`: who awaits one gets the answer, not another request to await. */
  protected abstract answer(): Answer;

  /** Called once, after `ended` is true. */
  protected tell(): void {
    this.#resolve?.(this.answer());
  }

  then<A = Answer, B = never>(
    onFulfilled?: ((answer: Answer) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const promise = new Promise<Answer>((resolve) => {
      if (this.ended) return resolve(this.answer());
      const before = this.#resolve;
      this.#resolve = before ? (answer) => (before(answer), resolve(answer)) : resolve;
    });
    return promise.then(onFulfilled, onRejected);
  }
}
