import { testContentStore } from '../conformance/blobs.ts';
import { memoryContent } from '../support/memory-content.ts';

testContentStore('in memory', async () => ({ store: memoryContent(), [Symbol.asyncDispose]: async () => undefined }));
