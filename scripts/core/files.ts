import { access, readdir } from 'node:fs/promises';

/** Whether there is a file or folder of this name that this process can see. */
export const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** What is in a folder; nothing where it is not there. */
export const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
